// The parts of a transformer block by the names that a checkpoint gives them: what is packed in one
// tensor, or apart, comes out the same.
#pragma once

#include <string>
#include <string_view>

#include "base/json.h"
#include "layers/feed_forward.h"
#include "layers/layer_norm.h"
#include "layers/self_attention.h"
#include "models/weights.h"

namespace wde::models {

struct AttentionShape {
  int64_t hidden_size = 0;          // C
  int64_t heads = 0, kv_heads = 0;  // H, Hkv
  int64_t head_size = 0;            // D

  int64_t query_size() const { return heads * head_size; }
  int64_t key_size() const { return kv_heads * head_size; }
};

// Modules behind a block's prefix. Where `packed` is not empty, it holds query, key and value, one
// below the other: [(H + 2 Hkv) D, C].
struct AttentionNames {
  std::string_view packed;
  std::string_view query, key, value;
  std::string_view output;
  Bias projection_bias = Bias::kPresent;  // of query, key and value
  Bias output_bias = Bias::kPresent;
};

// Where a gated feed-forward's projection [2 F, C] is packed in one module.
struct PackedGateNames {
  std::string_view gate_and_up;
  ops::GateOrder order = ops::GateOrder::kGateFirst;
  std::string_view down;
  Bias gate_bias = Bias::kPresent;
  Bias down_bias = Bias::kPresent;
};

// Where gate and up are modules of their own.
struct GateNames {
  std::string_view gate, up, down;
  Bias gate_bias = Bias::kPresent;  // of gate and up
  Bias down_bias = Bias::kPresent;
};

// One block's tensors: `prefix` ("encoder.layer.3.") stands before every module's name. The errors
// of each are those of Weights.
class BlockWeights {
 public:
  BlockWeights(const Weights& weights, std::string prefix)
      : weights_(weights), prefix_(std::move(prefix)) {}

  Result<layers::SelfAttentionWeights> attention(const AttentionNames& names,
                                                 const AttentionShape& shape) const;
  Result<layers::GatedMlp::Weights> gated_mlp(const PackedGateNames& names, int64_t hidden_size,
                                              int64_t intermediate_size) const;
  Result<layers::GatedMlp::Weights> gated_mlp(const GateNames& names, int64_t hidden_size,
                                              int64_t intermediate_size) const;
  Result<layers::Mlp::Weights> mlp(std::string_view up, std::string_view down, Bias up_bias,
                                   Bias down_bias, int64_t hidden_size,
                                   int64_t intermediate_size) const;
  Result<Weights::WeightAndBias> norm(std::string_view module, int64_t size,
                                      Bias bias = Bias::kPresent) const;
  // Errors: also kResourceExhausted.
  Result<layers::LayerNorm> layer_norm(layers::LoadContext& context, std::string_view module,
                                       int64_t size, float epsilon,
                                       Bias bias = Bias::kPresent) const;
  std::string name(std::string_view module) const { return prefix_ + std::string(module); }

 private:
  const Weights& weights_;
  const std::string prefix_;
};

// A boolean field that says whether modules have a bias. Errors: kDataLoss.
Result<Bias> get_bias(const json::object& config, std::string_view key, Bias fallback);

// Bidirectional attention over whole sequences, scores divided by the square root of D.
attention::AttentionProblem bidirectional_attention(const layers::LoadContext& context,
                                                    const AttentionShape& shape);

}  // namespace wde::models
