// Texts to ids with the real bert-base-uncased, and loading it. Items are tokens, special ones
// included. "ids" is what embedding asks for, "offsets" what `wde tokenize --details` does; the
// time is the CPU time of a thread, so that other tenants of the machine count little; with two
// threads each should be as fast as one alone.
//   wde_tokenizer_benchmark --benchmark_filter='encode/.*/ids'
// Texts and tokenizer are those of the tests: WDE_TEST_DATA, or ../shared/data.
#include <benchmark/benchmark.h>

#include <boost/json.hpp>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <sstream>
#include <string>
#include <vector>

#include "base/file.h"
#include "tokenizer/tokenizer.h"

namespace wde::tokenizer {
namespace {

constexpr size_t kMaxFileBytes = size_t{64} << 20;

std::string data_folder() {
  const char* given = std::getenv("WDE_TEST_DATA");
  return given != nullptr ? given : WDE_BENCHMARK_DATA;
}

std::string read(const std::string& name) {
  return read_file(data_folder() + "/" + name, kMaxFileBytes).value();
}

std::string tokenizer_json() {
  return read("tokenizers/bert-base-uncased/tokenizer.bge-style.json");
}

// The paragraphs of XQuAD in a language.
std::vector<std::string> paragraphs(const std::string& language) {
  const boost::json::value file =
      boost::json::parse(read("text/xquad/xquad." + language + ".json"));
  std::vector<std::string> texts;
  for (const auto& document : file.at("data").as_array()) {
    for (const auto& paragraph : document.at("paragraphs").as_array())
      texts.emplace_back(paragraph.at("context").as_string());
  }
  return texts;
}

// The lines of STS-B: two sentences and a number each, near enough to a sentence pair's text.
std::vector<std::string> sentence_pairs() {
  std::istringstream file(read("text/stsb/stsb-en-test.csv"));
  std::vector<std::string> texts;
  for (std::string line; std::getline(file, line);) texts.push_back(line);
  return texts;
}

void encode(benchmark::State& state, const std::vector<std::string>& texts, bool offsets) {
  static const std::unique_ptr<Tokenizer> tokenizer = load_tokenizer_json(tokenizer_json()).value();
  EncodeOptions options;
  options.offsets = offsets;
  size_t tokens = 0;
  size_t bytes = 0;
  for (auto _ : state) {
    for (const std::string& text : texts) {
      const Encoding encoding = tokenizer->encode(text, std::nullopt, options).value();
      benchmark::DoNotOptimize(encoding.ids.data());
      tokens += encoding.ids.size();
      bytes += text.size();
    }
  }
  state.SetItemsProcessed(static_cast<int64_t>(tokens));
  state.SetBytesProcessed(static_cast<int64_t>(bytes));
}

void load(benchmark::State& state) {
  const std::string json = tokenizer_json();
  for (auto _ : state) benchmark::DoNotOptimize(load_tokenizer_json(json).value().get());
}

void register_encode(const std::string& name, const std::vector<std::string>& texts) {
  for (const bool offsets : {false, true}) {
    const std::string full = "encode/" + name + (offsets ? "/offsets" : "/ids");
    benchmark::RegisterBenchmark(full.c_str(), [=](benchmark::State& state) {
      encode(state, texts, offsets);
    })->ThreadRange(1, 2);
  }
}

}  // namespace

void register_all() {
  register_encode("stsb", sentence_pairs());
  for (const char* language : {"en", "de", "ru", "zh"})
    register_encode(std::string("xquad-") + language, paragraphs(language));
  benchmark::RegisterBenchmark("load", load)->Unit(benchmark::kMillisecond);
}

}  // namespace wde::tokenizer

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  if (!wde::file_exists(wde::tokenizer::data_folder() + "/text/xquad/xquad.en.json")) {
    std::cerr << "no texts in " << wde::tokenizer::data_folder() << ": set WDE_TEST_DATA\n";
    return 1;
  }
  wde::tokenizer::register_all();
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
  return 0;
}
