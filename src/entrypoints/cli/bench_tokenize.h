// wde bench --tokenize: how fast texts become ids, with nothing else going on.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "entrypoints/cli/measure.h"
#include "wde/engine.h"

namespace wde::cli {

struct TokenizeRow {
  int threads = 0;
  Spread texts_per_s;
  Spread tokens_per_s;
  Spread mb_per_s;  // of UTF-8
};

struct TokenizeReport {
  std::string version;
  std::string commit;
  std::string model;
  std::string cpu;
  int cores = 0;
  size_t texts = 0;
  size_t tokens = 0;  // of all texts together, special ones included
  size_t bytes = 0;
  int rounds = 0;
  std::vector<TokenizeRow> rows;
};

struct TokenizeLoad {
  std::span<const std::string> texts;
  std::span<const int> threads;  // the counts to measure, each of them once a round
  int rounds = 1;
  double seconds = 0.5;  // least length of a measurement, in whole passes over the texts
};

// Fills in what is measured. Blocks; starts the threads it measures. Errors: of any text.
Result<TokenizeReport> measure_tokenization(const TextTokenizer& tokenizer,
                                            const TokenizeLoad& load);

std::string tokenize_table(const TokenizeReport& report);
std::string tokenize_json(const TokenizeReport& report);

}  // namespace wde::cli
