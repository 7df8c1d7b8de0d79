#include "entrypoints/cli/bench_tokenize.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <boost/json/serialize.hpp>
#include <chrono>
#include <cmath>
#include <thread>

#include "base/json.h"
#include "entrypoints/cli/progress.h"

namespace wde::cli {
namespace {

constexpr size_t kTextsAtOnce = 16;  // that a thread takes

double seconds_since(std::chrono::steady_clock::time_point begin) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

// So many passes over the texts by all threads together, in seconds.
Result<double> time_passes(const TextTokenizer& tokenizer, std::span<const std::string> texts,
                           size_t passes, int threads) {
  std::atomic<size_t> next = 0;
  std::atomic<bool> failed = false;
  const size_t end = passes * texts.size();
  const auto work = [&] {
    for (size_t at = next.fetch_add(kTextsAtOnce); at < end; at = next.fetch_add(kTextsAtOnce)) {
      for (size_t i = at; i < std::min(at + kTextsAtOnce, end); ++i) {
        if (!tokenizer.token_ids(texts[i % texts.size()], true).ok()) failed = true;
      }
    }
  };
  const auto begin = std::chrono::steady_clock::now();
  {
    std::vector<std::jthread> others;
    for (int i = 1; i < threads; ++i) others.emplace_back(work);
    work();
  }
  const double seconds = seconds_since(begin);
  if (failed) return internal_error("a text can be tokenized once, and then not");
  return seconds;
}

json::object to_json(const Spread& spread) {
  return {{"min", spread.min}, {"median", spread.median}, {"max", spread.max}};
}

std::string range(const Spread& spread) {
  return fmt::format("[{} … {}]", count_text(spread.min), count_text(spread.max));
}

}  // namespace

Result<TokenizeReport> measure_tokenization(const TextTokenizer& tokenizer,
                                            const TokenizeLoad& load) {
  TokenizeReport report{.texts = load.texts.size(), .rounds = load.rounds};
  for (const std::string& text : load.texts) {
    WDE_ASSIGN_OR_RETURN(const std::vector<int32_t> ids, tokenizer.token_ids(text, true));
    report.tokens += ids.size();
    report.bytes += text.size();
  }
  // The texts' second pass, with warm caches, tells how many fill the time.
  WDE_ASSIGN_OR_RETURN(const double pass, time_passes(tokenizer, load.texts, 1, 1));
  const auto passes = static_cast<size_t>(std::max(1.0, std::ceil(load.seconds / pass)));
  std::vector<std::vector<double>> passes_per_s(load.threads.size());
  for (int round = 0; round < load.rounds; ++round) {
    for (size_t i = 0; i < load.threads.size(); ++i) {
      const size_t count = passes * static_cast<size_t>(load.threads[i]);
      WDE_ASSIGN_OR_RETURN(const double seconds,
                           time_passes(tokenizer, load.texts, count, load.threads[i]));
      passes_per_s[i].push_back(static_cast<double>(count) / seconds);
    }
  }
  for (size_t i = 0; i < load.threads.size(); ++i) {
    const Spread speed = spread(passes_per_s[i]);
    const auto times = [&](double count) {
      return Spread{speed.min * count, speed.median * count, speed.max * count};
    };
    report.rows.push_back({load.threads[i], times(static_cast<double>(report.texts)),
                           times(static_cast<double>(report.tokens)),
                           times(static_cast<double>(report.bytes) * 1e-6)});
  }
  return report;
}

std::string tokenize_table(const TokenizeReport& report) {
  std::string text = fmt::format("{} on {}, {} cores\n", report.model, report.cpu, report.cores);
  text +=
      fmt::format("wde {} ({}), {} texts, {} tokens, {:.2f} MB, {} rounds: median [min … max]\n\n",
                  report.version, report.commit, report.texts, report.tokens,
                  static_cast<double>(report.bytes) * 1e-6, report.rounds);
  text += fmt::format("{:>7} {:>9} {:>19} {:>9} {:>19} {:>8}\n", "threads", "tokens/s",
                      "[min … max]", "texts/s", "[min … max]", "MB/s");
  for (const TokenizeRow& row : report.rows) {
    text += fmt::format("{:>7} {:>9} {:>19} {:>9} {:>19} {:>8.1f}\n", row.threads,
                        count_text(row.tokens_per_s.median), range(row.tokens_per_s),
                        count_text(row.texts_per_s.median), range(row.texts_per_s),
                        row.mb_per_s.median);
  }
  return text;
}

std::string tokenize_json(const TokenizeReport& report) {
  json::array rows;
  for (const TokenizeRow& row : report.rows) {
    const json::object object = {{"threads", row.threads},
                                 {"texts_per_s", to_json(row.texts_per_s)},
                                 {"tokens_per_s", to_json(row.tokens_per_s)},
                                 {"mb_per_s", to_json(row.mb_per_s)}};
    rows.push_back(object);
  }
  const json::object all = {
      {"wde", json::object{{"version", report.version}, {"commit", report.commit}}},
      {"machine", json::object{{"cpu", report.cpu}, {"cores", report.cores}}},
      {"model", report.model},
      {"texts", report.texts},
      {"tokens", report.tokens},
      {"bytes", report.bytes},
      {"rounds", report.rounds},
      {"results", rows}};
  return boost::json::serialize(all) + "\n";
}

}  // namespace wde::cli
