// What an architecture is to the rest of the engine: a forward pass from tokens to last hidden
// states.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "layers/token_batch.h"
#include "ops/op_context.h"
#include "ops/ops.h"

namespace wde::models {

// How a model makes one vector of a text where its files have no modules.json that says so (CLIP,
// SigLIP; the others leave it to sentence-transformers' default).
struct TextVector {
  ops::Pooling pooling = ops::Pooling::kMean;
  int32_t marker = 0;  // of Pooling::kMarked
  // A torch.nn.Linear of the checkpoint, by the first of these names that is there: [size, C].
  // None: no projection.
  std::vector<std::string> projections;
  int64_t size = 0;
  bool bias = false;
};

// Facts of a config.json that the rest of the engine needs before any weight is read.
struct ModelTraits {
  int hidden_size = 0;      // C
  int vocab_size = 0;       // V
  int type_vocab_size = 0;  // 0: no token types
  int position_offset = 0;  // position of a sequence's first token
  // A token that takes no position: it stands at position_offset - 1, and the next one counts on
  // (RoBERTa's <pad>, which a text can spell). -1: every token takes one.
  int padding_id = -1;
  bool causal = false;  // a token's hidden state depends on itself and those before it alone
  int max_length = 0;   // longest sequence that has positions, in tokens
  // Where no file of the model gives a length: what it was trained on, if max_length is beyond any
  // text (positions are relative). 0: max_length.
  int usual_length = 0;
  std::vector<std::string> adapters;  // that a request may name; by TokenBatch::adapter
  // Every text is padded to so many tokens, and the model sees the padding (SigLIP). 0: never.
  int padded_length = 0;
  TextVector vector;
};

// A module that a slot of the model got: {"attention", "flash"}. For `wde info`.
struct ModuleChoice {
  std::string_view slot;
  std::string_view name;
};

// Immutable after load; shared by all workers on a device.
class Model {
 public:
  virtual ~Model() = default;
  virtual std::vector<ModuleChoice> choices() const = 0;
  // The last hidden states [T, C] in the model's dtype, in the context's arena. T >= 1.
  virtual TensorView forward(ops::OpContext& context, const layers::TokenBatch& batch) const = 0;
};

}  // namespace wde::models
