// What the loaded model and the user's options allow; resolved once by the workflow and shared by
// the pipeline's stations.
#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/status.h"
#include "wde/types.h"

namespace wde::pipeline {

struct TextLimits {
  int max_length = 0;       // tokens of an input, special ones included
  int vocab_size = 0;       // rows of the model's embedding table
  int type_vocab_size = 0;  // token types it knows; 0: it has none, and types are ignored
  int padded_length = 0;    // every input is padded to so many tokens; 0: none is
  int padding_id = 0;       // with this one
  OverLong over_long = OverLong::kTruncate;
  TruncationSide truncation_side = TruncationSide::kRight;

  // Tokens of the longest input, its padding included.
  int longest() const { return std::max(max_length, padded_length); }
};

// Prompts by name, and what applies when a request names none.
struct PromptPolicy {
  std::map<std::string, std::string> prompts;
  std::string default_prompt;  // the text itself; may be empty
  std::string default_name;    // its name, where it has one
  bool pool_prompt = true;     // false: the prompt's tokens are left out of the pooling
};

// From logits to scores.
enum class ScoreFunction { kIdentity, kSigmoid, kSoftmax };

struct OutputPolicy {
  std::vector<Task> tasks;          // that this workflow serves
  int embedding_size = 0;           // columns of kEmbed
  bool normalize = false;           // where a request does not say
  std::vector<std::string> labels;  // in the order of the logits
  ScoreFunction classify_scores = ScoreFunction::kSoftmax;
  ScoreFunction rerank_scores = ScoreFunction::kSigmoid;
  bool joins_tokens = true;  // kClassifyTokens: an "aggregation" says how tokens become spans
  float logit_cap = 0;       // of a language model's logits: cap * tanh(logit / cap); 0: none
};

// The model's adapters by name, and which applies when a request names none.
struct AdapterPolicy {
  std::vector<std::string> names;
  int fallback = -1;  // -1: none

  // Errors: kInvalidArgument for an unknown name; the known ones are listed. "" is -1: none.
  Result<int> find(const std::string& name) const;
};

// Texts of more than `tokens` are long: each is computed alone, `chunk_rows` of its rows at a time,
// and other batches pass between.
struct LongTexts {
  int64_t tokens = INT64_MAX;
  int64_t chunk_rows = 0;
};

// Of a batch that is no long text.
struct BatchBudget {
  int64_t max_tokens = 0;
  int64_t max_requests = 0;
};

}  // namespace wde::pipeline
