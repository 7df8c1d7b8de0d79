// The contract of every memory-bound op. Each has one argument struct, a reference implementation
// in ref/ (plain loops, fp64 accumulation where it sums), and a kernel in cpu/ per instruction set.
// All views are in the stream's device memory; activations are ragged [T, C] in the model's dtype
// (f32 or bf16), parameters (norm weights, biases) are f32. Outputs must not alias inputs unless
// said. Every op computes a row (or a sequence) in a fixed order from that row (sequence) alone:
// results are batch-invariant.
#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "ops/op_context.h"
#include "tensor/tensor.h"

namespace wde::ops {

// out[t] = word_scale * word[ids[t]] + position[positions[t]] + type[type_ids[t]], summed in f32.
// The ids are inside the tables: the request processor checks them.
struct EmbeddingSumArgs {
  TensorView ids;             // i32 [T]
  TensorView positions;       // i32 [T]
  TensorView type_ids;        // i32 [T]; data null when the model has no token types
  TensorView word_table;      // [V, C], f32 or bf16
  TensorView position_table;  // [P, C]; data null when positions are not embedded
  TensorView type_table;      // [Y, C]; data null together with type_ids
  TensorView out;             // [T, C], f32 or bf16
  float word_scale = 1.0f;    // Gemma's square root of C
};

// out = (z - mean(z)) / sqrt(var(z) + epsilon) * weight + bias with z = x + residual, moments in
// f32 over the last axis (Ba et al. 2016). `out` may be x or residual.
struct LayerNormArgs {
  TensorView x;         // [T, C], f32 or bf16
  TensorView residual;  // [T, C] of x's dtype; data null for none
  TensorView weight;    // f32 [C]
  TensorView bias;      // f32 [C]; data null for none
  TensorView out;       // [T, C] of x's dtype
  float epsilon = 1e-12f;
};

enum class Activation {
  kNone,
  kGeluErf,
  kGeluTanh,
  kQuickGelu,  // x sigmoid(1.702 x)
  kRelu,
  kSilu,
  kTanh,
  kSigmoid
};

// "gelu", "gelu_new", "gelu_pytorch_tanh", "relu", "silu", "swish", "tanh", … as config.json spells
// them, and torch's class names as sentence-transformers' Dense does
// ("torch.nn.modules.activation.Tanh", "…linear.Identity"). Errors: kUnsupported naming the
// activation and the known ones.
Result<Activation> parse_activation(std::string_view name);
std::string_view activation_name(Activation activation);

enum class Pooling {
  kMean,
  kCls,
  kMax,
  kLast,
  kMeanSqrtLen,
  kWeightedMean,
  kMarked,        // the first token with the marker's id; the first of all where there is none
  kLastUnmarked,  // the last token without the marker's id; the first of all where there is none
};
// As a marker: whichever id of the sequence is the largest.
constexpr int32_t kLargestId = -1;
// "mean", "cls", "max", "last" ("lasttoken"), "mean_sqrt_len", "weightedmean". Errors:
// kInvalidArgument.
Result<Pooling> parse_pooling(std::string_view name);
std::string_view pooling_name(Pooling pooling);
// Every one there is, by the name we print.
std::vector<std::string_view> activation_names();
std::vector<std::string_view> pooling_names();

// One row per sequence, in f32, over its tokens [cu_seqlens[b] + skip[b], cu_seqlens[b + 1]).
// Sums run in token order. A sequence always has at least one pooled token.
struct PoolingArgs {
  TensorView hidden;      // [T, C], f32 or bf16
  TensorView cu_seqlens;  // i32 [B + 1]
  TensorView skip;        // i32 [B]: leading tokens left out (a prompt's); data null for none
  TensorView ids;         // i32 [T]; kMarked and kLastUnmarked only
  TensorView out;         // f32 [B, C]
  Pooling pooling = Pooling::kMean;
  int32_t marker =
      0;  // kMarked: an id, or kLargestId; kLastUnmarked: an id, or one that no token has
};

// out = z / sqrt(mean(z^2) + epsilon) * (weight_offset + weight) + addend with z = x + residual,
// the moment in f32 over the last axis (Zhang and Sennrich 2019; the offset is 1 in Gemma). A
// weight shorter than a row normalizes each of the row's C / D parts by itself (heads). `out` may
// be x, residual or addend.
struct RmsNormArgs {
  TensorView x;         // [T, C], f32 or bf16
  TensorView residual;  // [T, C] of x's dtype; data null for none
  TensorView addend;    // [T, C] of x's dtype; data null for none
  TensorView weight;    // f32 [D], D divides C
  TensorView out;       // [T, C] of x's dtype
  float epsilon = 1e-6f;
  float weight_offset = 0.0f;
};

// Which dimensions of a head turn together, of the R that turn.
enum class RopePairs {
  kHalves,       // i and i + R / 2: GPT-NeoX's, "rotate_half"
  kInterleaved,  // 2 i and 2 i + 1: GPT-J's and the paper's
};

// Rotary position embedding (Su et al. 2021, arXiv:2104.09864), in place: pair i of the first R
// dimensions of every head in row t is turned by the table's angle i of positions[t]; the other
// D - R dimensions stay. A pair (a, b) becomes (a cos - b sin, b cos + a sin).
// The positions are inside the table: the request processor checks them.
struct RopeArgs {
  TensorView x;           // [T, n D], f32 or bf16; may be the q and k columns of a packed row
  TensorView positions;   // i32 [T]
  TensorView table;       // f32 [P, R]: R / 2 cosines, then R / 2 sines; R is even and at most D
  int64_t head_size = 0;  // D
  RopePairs pairs = RopePairs::kHalves;
};

// Where the gate is in a row of a gated linear unit's projection.
enum class GateOrder { kGateFirst, kUpFirst };

// out = activation(gate) * up (Dauphin et al. 2017; Shazeer 2020, arXiv:2002.05202), where a row of
// x holds gate and up one after the other. `out` may be the first F columns of x.
struct GatedActivationArgs {
  TensorView x;    // [T, 2 F], f32 or bf16
  TensorView out;  // [T, F] of x's dtype
  Activation activation = Activation::kSilu;
  GateOrder order = GateOrder::kGateFirst;
};

// out = x / max(|x|_2, 1e-12) per row, as torch.nn.functional.normalize. `out` may be x.
struct L2NormalizeArgs {
  TensorView x;    // f32 [B, C]
  TensorView out;  // f32 [B, C]
};

// out = x in another floating-point dtype (f32, bf16, f16).
struct ConvertArgs {
  TensorView x;    // [T, C]
  TensorView out;  // [T, C]
};

// y = activation(x · weightᵀ + bias) (+ residual), accumulated in f32, weights packed: see
// ops/gemm.h.
struct GemmArgs {
  TensorView x;         // [M, K] of the problem's dtype
  TensorView residual;  // [M, N] of y's dtype, added after the activation; data null for none
  TensorView y;         // [M, N] of the problem's output dtype
};
class Gemm;

// The ops of one device and instruction set. A row of the registry in ops/registry.h.
struct OpTable {
  std::string_view name;         // "avx512", "avx2", "portable", "reference", …
  std::string_view device_kind;  // which Device::kind() it works on
  bool native_bf16 = false;      // products of bf16 cost less than those of f32
  void (*embedding_sum)(OpContext&, const EmbeddingSumArgs&);
  void (*layer_norm)(OpContext&, const LayerNormArgs&);
  void (*rms_norm)(OpContext&, const RmsNormArgs&);
  void (*rope)(OpContext&, const RopeArgs&);
  void (*gated_activation)(OpContext&, const GatedActivationArgs&);
  void (*pooling)(OpContext&, const PoolingArgs&);
  void (*l2_normalize)(OpContext&, const L2NormalizeArgs&);
  void (*convert)(OpContext&, const ConvertArgs&);
};

// What layers and heads call: shape checks (WDE_CHECK), nothing when measuring, else the table's
// op.
void embedding_sum(OpContext& context, const EmbeddingSumArgs& args);
void layer_norm(OpContext& context, const LayerNormArgs& args);
void rms_norm(OpContext& context, const RmsNormArgs& args);
void rope(OpContext& context, const RopeArgs& args);
void gated_activation(OpContext& context, const GatedActivationArgs& args);
void pooling(OpContext& context, const PoolingArgs& args);
void l2_normalize(OpContext& context, const L2NormalizeArgs& args);
void convert(OpContext& context, const ConvertArgs& args);
void gemm(OpContext& context, const Gemm& gemm, const GemmArgs& args);

}  // namespace wde::ops
