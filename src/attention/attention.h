// The contract of attention without a KV cache, over a ragged batch:
//   out[i] = sum_j softmax_j(scale * q[i]·k[j] + mask) v[j]
// for the tokens i, j of one sequence (Vaswani et al. 2017, eq. 1), per head, softmax in f32.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "ops/op_context.h"
#include "ops/ops.h"
#include "tensor/tensor.h"

namespace wde::attention {

enum class MaskKind {
  kBidirectional,  // every token sees every token of its sequence
  kCausal,         // token i sees tokens j <= i
};

struct AttentionProblem {
  DType dtype = DType::kF32;  // of q, k, v and out: f32 or bf16
  int heads = 0;              // H
  int kv_heads = 0;           // Hkv, divides H; head h reads k/v head h / (H / Hkv)
  int head_size = 0;          // D
  MaskKind mask = MaskKind::kBidirectional;
  float scale = 1.0f;  // positive
};

struct AttentionArgs {
  TensorView q;           // [T, H * D], rows may be slices of a packed [T, (H + 2 Hkv) D]
  TensorView k;           // [T, Hkv * D]
  TensorView v;           // [T, Hkv * D]
  TensorView out;         // [T, H * D]; must not alias q, k, v
  TensorView cu_seqlens;  // i32 [B + 1], on the device
  // The same numbers on the host, for planning; alive until the work is done.
  std::span<const int32_t> host_cu_seqlens;
  int max_seqlen = 0;
};

// One chosen implementation. Immutable: any number of threads and workers may run it at once.
class Attention {
 public:
  virtual ~Attention() = default;
  virtual const AttentionProblem& problem() const = 0;
  // The backend's name in attention_backends().
  virtual std::string_view name() const = 0;
  // Workspace that run() takes, at most, for batches within these limits and `threads` CPU threads.
  virtual size_t workspace_bytes(int64_t tokens, int64_t sequences, int64_t max_seqlen,
                                 int threads) const = 0;
  // A sequence's rows have the same bits whatever else is in the batch and however many threads.
  virtual void run(ops::OpContext& context, const AttentionArgs& args, void* workspace) const = 0;
};

struct AttentionBackend {
  std::string_view name;
  // Empty when it can do the problem there, else the reason why not.
  std::string (*refusal)(const AttentionProblem& problem, const Device& device,
                         const ops::OpTable& ops);
  std::unique_ptr<Attention> (*create)(const AttentionProblem& problem, const ops::OpTable& ops);
};

// Every backend, best first, "naive" (plain loops: the control group) last.
std::span<const AttentionBackend> attention_backends();

// The first backend that does not refuse, or the one named by `forced` (may be empty).
// Errors: kInvalidArgument for an unknown name (lists the known), kUnsupported with the reasons.
Result<std::unique_ptr<Attention>> create_attention(const AttentionProblem& problem,
                                                    const Device& device, const ops::OpTable& ops,
                                                    std::string_view forced = {});

// Checks the shapes (WDE_CHECK), takes the workspace from the arena, runs; when measuring, only
// takes.
void attend(ops::OpContext& context, const Attention& attention, const AttentionArgs& args);

}  // namespace wde::attention
