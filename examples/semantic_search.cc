// Search by meaning: wde_example_search MODEL CORPUS [QUERY…]. Embeds each line of the corpus, then
// answers each query with the nearest lines; without queries on the command line they are read from
// stdin.
#include <wde/engine.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <fstream>
#include <iostream>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

namespace {

constexpr size_t kHits = 3;

struct Corpus {
  std::vector<std::string> texts;
  std::vector<std::vector<float>> vectors;
};

[[noreturn]] void fail(const wde::Status& status) {
  std::fprintf(stderr, "wde_example_search: %s\n", status.message().c_str());
  std::exit(1);
}

std::vector<std::string> read_lines(const char* path) {
  std::ifstream file(path);
  if (!file) fail(wde::Status(wde::StatusCode::kNotFound, std::string(path) + ": can't be read"));
  std::vector<std::string> lines;
  for (std::string line; std::getline(file, line);) {
    if (!line.empty()) lines.push_back(line);
  }
  return lines;
}

// Normalized, so that a dot product is the cosine.
wde::Request embed_request(const std::string& text) { return {.input = text, .normalize = true}; }

Corpus embed_corpus(wde::Engine& engine, const char* path) {
  Corpus corpus{read_lines(path), {}};
  std::vector<wde::Request> requests;
  for (const std::string& text : corpus.texts) requests.push_back(embed_request(text));
  const auto start = std::chrono::steady_clock::now();
  for (auto& answer : engine.run_all(std::move(requests))) {
    if (!answer.ok()) fail(answer.status());
    corpus.vectors.push_back(std::move(answer->values));
  }
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
  std::printf("%zu passages embedded in %.2f s\n", corpus.texts.size(), took.count());
  return corpus;
}

void answer_query(wde::Engine& engine, const Corpus& corpus, const std::string& query) {
  const auto answer = engine.run(embed_request(query));
  if (!answer.ok()) fail(answer.status());
  std::vector<std::pair<float, size_t>> scored;
  for (size_t i = 0; i < corpus.vectors.size(); ++i) {
    const std::vector<float>& vector = corpus.vectors[i];
    scored.emplace_back(
        std::inner_product(vector.begin(), vector.end(), answer->values.begin(), 0.0f), i);
  }
  const size_t hits = std::min(kHits, scored.size());
  std::partial_sort(scored.begin(), scored.begin() + static_cast<std::ptrdiff_t>(hits),
                    scored.end(), [](const auto& a, const auto& b) { return a.first > b.first; });
  std::printf("\n> %s\n", query.c_str());
  for (size_t i = 0; i < hits; ++i) {
    std::printf("  %.3f  %s\n", scored[i].first, corpus.texts[scored[i].second].c_str());
  }
  std::fflush(stdout);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) return std::fprintf(stderr, "usage: %s MODEL CORPUS [QUERY...]\n", argv[0]), 2;
  wde::EngineOptions options;
  options.model = argv[1];
  auto engine = wde::Engine::load(options);
  if (!engine.ok()) fail(engine.status());
  const Corpus corpus = embed_corpus(**engine, argv[2]);
  for (int i = 3; i < argc; ++i) answer_query(**engine, corpus, argv[i]);
  if (argc > 3) return 0;
  for (std::string query; std::getline(std::cin, query);) answer_query(**engine, corpus, query);
}
