// Heads as data: what a checkpoint of XForSequenceClassification, XForTokenClassification,
// XForMaskedLM or XForCausalLM has behind its encoder or decoder. One visible table, a row an
// architecture:
//   logits = output(norm(activation(dense(rows of the last hidden states))))
// where dense and norm may be missing. heads/logits_head.h, heads/vocabulary_head.h and
// heads/token_logits_head.h compute them.
#pragma once

#include <span>
#include <string_view>

#include "base/json.h"
#include "base/status.h"
#include "ops/ops.h"

namespace wde::heads {

enum class HeadKind {
  kSequenceClassification,
  kTokenClassification,
  kProcessReward,  // scores at the tokens that end a step
  kMaskedLm,
  kCausalLm,
};

// Which last hidden states a head begins with.
enum class RowChoice {
  kEveryToken,
  kFirstToken,
  kClassifierPooling,  // config.json's "classifier_pooling": see choose_pooling()
  kLastToken,          // that is not config.json's "pad_token_id"
};

// A word of the config, or the one that the architecture means without it.
struct ConfigChoice {
  std::string_view field;  // empty: always `otherwise`
  std::string_view otherwise;
};

// "<module>.weight" and, where the checkpoint has it, "<module>.bias"; no module: no such step.
struct RecipeDense {
  std::string_view module;
  ConfigChoice activation;
  std::string_view size_field;    // of its outputs; empty: the hidden size
  int64_t size = 0;               // where the config has no such field; 0: the hidden size
  std::string_view other_module;  // its name where the checkpoint has no `module`; may be empty
};

// Layer normalization.
struct RecipeNorm {
  std::string_view module;
  std::string_view epsilon_field;  // empty: `epsilon` it is
  float epsilon = 1e-12f;          // where the config has no such field
};

// The last linear layer: a logit for each label, or for each entry of the vocabulary.
struct RecipeOutput {
  std::string_view module;
  // Of language models: the table that is the matrix where "<module>.weight" is missing, and
  // the bias where "<module>.bias" is.
  std::string_view tied_table;
  std::string_view bias;
};

struct Recipe {
  std::string_view architecture;  // as in config.json's "architectures"
  std::string_view backbone;      // the encoder's name in models/registry.cc
  HeadKind kind;
  RowChoice rows;
  std::string_view classifier_pooling;  // where the config does not say
  RecipeDense dense;
  RecipeNorm norm;
  RecipeOutput output;
  // Of a reward model, whose logits are the rewards: how many, whatever the config says of labels.
  // 0: as many as the config has labels.
  int64_t rewards = 0;
};

// Every architecture with a head, backbone by backbone.
std::span<const Recipe> recipes();

// Null when no recipe has the name.
const Recipe* find_recipe(std::string_view architecture);

// How the head's rows are made one a sequence; kEveryToken of a token head.
struct RowPooling {
  ops::Pooling pooling = ops::Pooling::kCls;
  int32_t marker = 0;        // of Pooling::kLastUnmarked
  bool after_dense = false;  // "late": every token through the dense layer, then the mean
};

// Of a kSequenceClassification. Errors: kUnsupported naming the field and what there is; kDataLoss.
Result<RowPooling> choose_pooling(const Recipe& recipe, const json::object& config);

// Errors: kUnsupported, kDataLoss; each names the field.
Result<ops::Activation> choose_activation(const ConfigChoice& choice, const json::object& config);

}  // namespace wde::heads
