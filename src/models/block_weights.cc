#include "models/block_weights.h"

#include <cmath>

#include "base/status.h"

namespace wde::models {
namespace {

// Rows of a weight or bias; one that is absent stays so.
TensorView rows(const TensorView& view, int64_t begin, int64_t count) {
  return view.data == nullptr ? view : view.slice_rows(begin, count);
}

}  // namespace

Result<layers::SelfAttentionWeights> BlockWeights::attention(const AttentionNames& names,
                                                             const AttentionShape& shape) const {
  const int64_t C = shape.hidden_size, Q = shape.query_size(), K = shape.key_size();
  layers::SelfAttentionWeights found;
  WDE_ASSIGN_OR_RETURN(const auto output,
                       weights_.linear(name(names.output), C, Q, names.output_bias));
  found.output_weight = output.weight;
  found.output_bias = output.bias;
  Weights::WeightAndBias query, key, value;
  if (names.packed.empty()) {
    WDE_ASSIGN_OR_RETURN(query, weights_.linear(name(names.query), Q, C, names.projection_bias));
    WDE_ASSIGN_OR_RETURN(key, weights_.linear(name(names.key), K, C, names.projection_bias));
    WDE_ASSIGN_OR_RETURN(value, weights_.linear(name(names.value), K, C, names.projection_bias));
  } else {
    WDE_ASSIGN_OR_RETURN(const auto packed,
                         weights_.linear(name(names.packed), Q + 2 * K, C, names.projection_bias));
    query = {rows(packed.weight, 0, Q), rows(packed.bias, 0, Q)};
    key = {rows(packed.weight, Q, K), rows(packed.bias, Q, K)};
    value = {rows(packed.weight, Q + K, K), rows(packed.bias, Q + K, K)};
  }
  found.query_weight = query.weight;
  found.query_bias = query.bias;
  found.key_weight = key.weight;
  found.key_bias = key.bias;
  found.value_weight = value.weight;
  found.value_bias = value.bias;
  return found;
}

Result<layers::GatedMlp::Weights> BlockWeights::gated_mlp(const PackedGateNames& names,
                                                          int64_t hidden_size,
                                                          int64_t intermediate_size) const {
  const int64_t C = hidden_size, F = intermediate_size;
  WDE_ASSIGN_OR_RETURN(const auto packed,
                       weights_.linear(name(names.gate_and_up), 2 * F, C, names.gate_bias));
  WDE_ASSIGN_OR_RETURN(const auto down, weights_.linear(name(names.down), C, F, names.down_bias));
  const int64_t gate = names.order == ops::GateOrder::kGateFirst ? 0 : F;
  const int64_t up = F - gate;
  return layers::GatedMlp::Weights{.gate_weight = rows(packed.weight, gate, F),
                                   .gate_bias = rows(packed.bias, gate, F),
                                   .up_weight = rows(packed.weight, up, F),
                                   .up_bias = rows(packed.bias, up, F),
                                   .down_weight = down.weight,
                                   .down_bias = down.bias};
}

Result<layers::GatedMlp::Weights> BlockWeights::gated_mlp(const GateNames& names,
                                                          int64_t hidden_size,
                                                          int64_t intermediate_size) const {
  const int64_t C = hidden_size, F = intermediate_size;
  WDE_ASSIGN_OR_RETURN(const auto gate, weights_.linear(name(names.gate), F, C, names.gate_bias));
  WDE_ASSIGN_OR_RETURN(const auto up, weights_.linear(name(names.up), F, C, names.gate_bias));
  WDE_ASSIGN_OR_RETURN(const auto down, weights_.linear(name(names.down), C, F, names.down_bias));
  return layers::GatedMlp::Weights{.gate_weight = gate.weight,
                                   .gate_bias = gate.bias,
                                   .up_weight = up.weight,
                                   .up_bias = up.bias,
                                   .down_weight = down.weight,
                                   .down_bias = down.bias};
}

Result<layers::Mlp::Weights> BlockWeights::mlp(std::string_view up, std::string_view down,
                                               Bias up_bias, Bias down_bias, int64_t hidden_size,
                                               int64_t intermediate_size) const {
  const int64_t C = hidden_size, F = intermediate_size;
  WDE_ASSIGN_OR_RETURN(const auto first, weights_.linear(name(up), F, C, up_bias));
  WDE_ASSIGN_OR_RETURN(const auto second, weights_.linear(name(down), C, F, down_bias));
  return layers::Mlp::Weights{.up_weight = first.weight,
                              .up_bias = first.bias,
                              .down_weight = second.weight,
                              .down_bias = second.bias};
}

Result<Weights::WeightAndBias> BlockWeights::norm(std::string_view module, int64_t size,
                                                  Bias bias) const {
  return weights_.layer_norm(name(module), size, bias);
}

Result<layers::LayerNorm> BlockWeights::layer_norm(layers::LoadContext& context,
                                                   std::string_view module, int64_t size,
                                                   float epsilon, Bias bias) const {
  WDE_ASSIGN_OR_RETURN(const auto found, norm(module, size, bias));
  return layers::LayerNorm::load(context, found.weight, found.bias, epsilon);
}

Result<Bias> get_bias(const json::object& config, std::string_view key, Bias fallback) {
  WDE_ASSIGN_OR_RETURN(const bool present, json::get_bool(config, key, fallback == Bias::kPresent));
  return present ? Bias::kPresent : Bias::kAbsent;
}

attention::AttentionProblem bidirectional_attention(const layers::LoadContext& context,
                                                    const AttentionShape& shape) {
  return {.dtype = context.dtype,
          .heads = static_cast<int>(shape.heads),
          .kv_heads = static_cast<int>(shape.kv_heads),
          .head_size = static_cast<int>(shape.head_size),
          .mask = attention::MaskKind::kBidirectional,
          .scale = 1.0f / std::sqrt(static_cast<float>(shape.head_size))};
}

}  // namespace wde::models
