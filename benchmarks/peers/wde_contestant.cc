// WDE's side of benchmarks/peers: a program that benchmarks/peers/compare.py talks to over its
// standard streams. A request is a line of words with tabs between them, the answer one line of
// JSON, {"error": "…"} when it could not be done:
//   share true|false           whether the engine to be loaded may compute a common beginning once
//   load MODEL DTYPE THREADS   loads the engine
//   texts FILE KIND            one text a line; KIND "forward" tokenizes them now, else later
//   vectors FILE               embeds them all, and writes f32 vectors
//   bulk SECONDS               embeds them all, over and over until the time is up
//   query COUNT                embeds one after the other: the latency of each
//   tokenizer MODEL            loads a tokenizer alone
//   ids FILE                   i32: of each text how many ids, then the ids
//   tokenize THREADS SECONDS   tokenizes all texts, over and over until the time is up
//   peak DTYPE THREADS         what the cores can do at best
// Uses nothing of WDE but its public API. One thread talks; it owns everything.
#include <algorithm>
#include <atomic>
#include <boost/json.hpp>
#include <chrono>
#include <fstream>
#include <iostream>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "wde/catalog.h"
#include "wde/engine.h"
#include "wde/machine.h"

namespace wde::benchmarks {
namespace {

using Words = std::vector<std::string>;
using Reply = Result<boost::json::object>;

double seconds_since(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

// Calls `call` once, and again until the time is up; each call is so many passes over the texts.
template <class Call>
Reply repeat(double seconds, const Call& call, int passes_of_a_call = 1) {
  const auto begin = Clock::now();
  int passes = 0;
  do {
    if (Status status = call(); !status.ok()) return status;
    passes += passes_of_a_call;
  } while (seconds_since(begin) < seconds);
  return boost::json::object{{"seconds", seconds_since(begin)}, {"passes", passes}};
}

enum class Needs { kNothing, kTokenizer, kEngineAndTexts };

class Contestant {
 public:
  bool has(Needs needs) const {
    if (needs == Needs::kTokenizer) return tokenizer_ != nullptr;
    return needs == Needs::kNothing || (engine_ != nullptr && !inputs_.empty());
  }

  Reply share(const Words& words) {
    if (words[1] != "true" && words[1] != "false") {
      return Status(StatusCode::kInvalidArgument, "share: true or false, not " + words[1]);
    }
    share_prefixes_ = words[1] == "true";
    return boost::json::object{};
  }

  Reply load(const Words& words) {
    EngineOptions options;
    options.model = words[1];
    options.dtype = dtype_of(words[2]);
    options.share_prefixes = share_prefixes_;
    options.threads = std::stoi(words[3]);
    auto engine = Engine::load(options);
    if (!engine.ok()) return engine.status();
    engine_ = std::move(*engine);
    tokenizer_ = &engine_->tokenizer();
    const ModelInfo& info = engine_->info();
    std::string form;
    for (const ChosenModule& module : info.modules) {
      if (module.slot == "workflow" || module.slot == "model") continue;
      form += (form.empty() ? "" : ", ") + module.name;
    }
    return boost::json::object{{"version", version()}, {"form", form}};
  }

  Reply texts(const Words& words) {
    std::ifstream file(words[1]);
    if (!file) return Status(StatusCode::kNotFound, words[1] + " can't be read");
    inputs_.clear();
    for (std::string line; std::getline(file, line);) inputs_.emplace_back(line);
    if (words[2] != "forward") return boost::json::object{};
    for (Input& input : inputs_) {
      auto ids = ids_of(input);
      if (!ids.ok()) return ids.status();
      input = std::move(*ids);
    }
    return boost::json::object{};
  }

  Reply vectors(const Words& words) {
    std::ofstream file(words[1], std::ios::binary);
    for (const auto& response : engine_->run_all(requests())) {
      if (!response.ok()) return response.status();
      file.write(reinterpret_cast<const char*>(response->values.data()),
                 static_cast<std::streamsize>(response->values.size() * sizeof(float)));
    }
    if (!file.flush()) return Status(StatusCode::kIoError, words[1] + " can't be written");
    return boost::json::object{{"columns", engine_->info().embedding_size}};
  }

  Reply bulk(const Words& words) {
    return repeat(std::stod(words[1]), [this] {
      for (const auto& response : engine_->run_all(requests())) {
        if (!response.ok()) return response.status();
      }
      return Status();
    });
  }

  Reply query(const Words& words) {
    boost::json::array milliseconds;
    const int count = std::stoi(words[1]);
    for (int i = -kWarmUpQueries; i < count; ++i) {
      next_ = (next_ + 1) % inputs_.size();
      const auto begin = Clock::now();
      const auto response = engine_->run({.input = inputs_[next_]});
      const double took = seconds_since(begin);
      if (!response.ok()) return response.status();
      if (i >= 0) milliseconds.emplace_back(1e3 * took);
    }
    return boost::json::object{{"milliseconds", std::move(milliseconds)}};
  }

  Reply load_tokenizer(const Words& words) {
    auto tokenizer = TextTokenizer::load({.model = words[1]});
    if (!tokenizer.ok()) return tokenizer.status();
    own_tokenizer_ = std::move(*tokenizer);
    tokenizer_ = own_tokenizer_.get();
    return boost::json::object{{"version", version()}};
  }

  Reply ids(const Words& words) {
    std::ofstream file(words[1], std::ios::binary);
    for (const Input& input : inputs_) {
      const auto ids = ids_of(input);
      if (!ids.ok()) return ids.status();
      const auto count = static_cast<int32_t>(ids->size());
      file.write(reinterpret_cast<const char*>(&count), sizeof(count));
      file.write(reinterpret_cast<const char*>(ids->data()),
                 static_cast<std::streamsize>(ids->size() * sizeof(int32_t)));
    }
    if (!file.flush()) return Status(StatusCode::kIoError, words[1] + " can't be written");
    return boost::json::object{};
  }

  Reply tokenize(const Words& words) {
    const int threads = std::stoi(words[1]);
    return repeat(
        std::stod(words[2]), [&] { return tokenize_all(threads); }, kPassesOfThreads);
  }

  Reply peak(const Words& words) {
    return boost::json::object{{"gflops", peak_gflops(dtype_of(words[1]), std::stoi(words[2]))}};
  }

 private:
  // What a GGUF file's codes of few bits ("q4_…") are multiplied as.
  static std::string dtype_of(const std::string& precision) {
    return precision.starts_with("q4_") ? "bf16" : precision;
  }

  // A pass over some thousand sentences takes a millisecond: starting threads for each would show.
  static constexpr int kPassesOfThreads = 8;
  static constexpr size_t kTextsAtOnce = 16;  // that a thread takes
  static constexpr int kWarmUpQueries = 5;    // the caches are someone else's when the turn begins

  // kPassesOfThreads passes over all texts.
  Status tokenize_all(int threads) const {
    std::atomic<size_t> next = 0;
    std::atomic<bool> failed = false;
    const size_t end = kPassesOfThreads * inputs_.size();
    const auto work = [&] {
      for (size_t at = next.fetch_add(kTextsAtOnce); at < end; at = next.fetch_add(kTextsAtOnce)) {
        for (size_t i = at; i < std::min(at + kTextsAtOnce, end); ++i) {
          if (!ids_of(inputs_[i % inputs_.size()]).ok()) failed = true;
        }
      }
    };
    {
      std::vector<std::jthread> others;
      for (int i = 1; i < threads; ++i) others.emplace_back(work);
      work();
    }
    return failed ? Status(StatusCode::kInternal, "a text can't be tokenized") : Status();
  }

  std::vector<Request> requests() const {
    std::vector<Request> requests(inputs_.size());
    for (size_t i = 0; i < inputs_.size(); ++i) requests[i].input = inputs_[i];
    return requests;
  }

  Result<std::vector<int32_t>> ids_of(const Input& input) const {
    return tokenizer_->token_ids(input, true);
  }

  std::unique_ptr<Engine> engine_;
  std::unique_ptr<TextTokenizer> own_tokenizer_;
  const TextTokenizer* tokenizer_ = nullptr;
  std::vector<Input> inputs_;
  size_t next_ = 0;
  std::optional<bool> share_prefixes_;  // unset: where they can be
};

struct Command {
  const char* name;
  size_t words;
  Needs needs;
  Reply (Contestant::*run)(const Words&);
};

constexpr Command kCommands[] = {
    {"share", 2, Needs::kNothing, &Contestant::share},
    {"load", 4, Needs::kNothing, &Contestant::load},
    {"texts", 3, Needs::kTokenizer, &Contestant::texts},
    {"vectors", 2, Needs::kEngineAndTexts, &Contestant::vectors},
    {"bulk", 2, Needs::kEngineAndTexts, &Contestant::bulk},
    {"query", 2, Needs::kEngineAndTexts, &Contestant::query},
    {"tokenizer", 2, Needs::kNothing, &Contestant::load_tokenizer},
    {"ids", 2, Needs::kTokenizer, &Contestant::ids},
    {"tokenize", 3, Needs::kTokenizer, &Contestant::tokenize},
    {"peak", 3, Needs::kNothing, &Contestant::peak},
};

Reply answer(Contestant& contestant, const Words& words) {
  for (const Command& command : kCommands) {
    if (words[0] != command.name || words.size() != command.words) continue;
    if (!contestant.has(command.needs)) {
      return Status(StatusCode::kInvalidArgument, words[0] + ": load a model and texts first");
    }
    try {
      return (contestant.*command.run)(words);
    } catch (const std::logic_error&) {  // std::stoi and its kin
      return Status(StatusCode::kInvalidArgument, words[0] + ": a number was expected");
    }
  }
  return Status(StatusCode::kInvalidArgument, words[0] + ": not a command of this program");
}

Words split(const std::string& line) {
  Words words;
  size_t begin = 0;
  for (size_t tab = line.find('\t'); tab != std::string::npos; tab = line.find('\t', begin)) {
    words.push_back(line.substr(begin, tab - begin));
    begin = tab + 1;
  }
  words.push_back(line.substr(begin));
  return words;
}

void serve() {
  Contestant contestant;
  for (std::string line; std::getline(std::cin, line);) {
    const Reply reply = answer(contestant, split(line));
    std::cout << boost::json::serialize(
                     reply.ok() ? *reply : boost::json::object{{"error", reply.status().message()}})
              << std::endl;
  }
}

}  // namespace
}  // namespace wde::benchmarks

int main() {
  wde::benchmarks::serve();
  return 0;
}
