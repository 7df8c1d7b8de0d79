// The contract of attention without a KV cache, over a ragged batch:
//   out[i] = sum_j softmax_j(score[i, j]) v[j]
//   score[i, j] = cap(scale * (q[i]·k[j] + position terms) + distance bias)
// for the tokens i, j of one sequence (Vaswani et al. 2017, eq. 1) of which i sees j, per head,
// softmax in f32. A query sees itself unless it is no key.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "attention/sequence_rows.h"
#include "ops/op_context.h"
#include "ops/ops.h"
#include "tensor/tensor.h"

namespace wde::attention {

enum class MaskKind {
  kBidirectional,  // every token sees every token of its sequence
  kCausal,         // token i sees tokens j <= i
};

// DeBERTa's disentangled attention (He et al. 2021, eq. 4): beside q_i·k_j, the position terms
//   q_i·PK[p] + k_j·PQ[p],  p = position_rows[R + clamp(i - j, -R, R)]
// of the head's columns. A term whose view is default-constructed is absent; so is all of it where
// both are. What is there is a parameter of the layer, on the device (data may be null where a plan
// only counts bytes).
struct Disentangled {
  TensorView position_keys;     // PK [P, H * D] of the problem's dtype: content to position
  TensorView position_queries;  // PQ [P, H * D]: position to content
  TensorView position_rows;     // i32 [2R + 1], contiguous: rows of PK and PQ, by i - j

  bool has_keys() const { return position_keys.shape.rank() != 0; }
  bool has_queries() const { return position_queries.shape.rank() != 0; }
  explicit operator bool() const { return has_keys() || has_queries(); }
};

struct AttentionProblem {
  DType dtype = DType::kF32;  // of q, k, v and out: f32 or bf16
  int heads = 0;              // H
  int kv_heads = 0;           // Hkv, divides H; head h reads k/v head h / (H / Hkv)
  int head_size = 0;          // D
  MaskKind mask = MaskKind::kBidirectional;
  // A query at i sees keys j with i - window_left <= j <= i + window_right, if `mask` lets it; -1
  // for no limit. (A model's "sliding window of w", both sides, is w / 2 and w / 2.)
  int64_t window_left = -1, window_right = -1;
  // Added to the scaled score: column R + clamp(i - j, -R, R) of the head's row. f32 [H, 2R + 1],
  // finite, a parameter of the layer on the device (ALiBi, buckets of T5 and MPNet);
  // default-constructed for none.
  TensorView distance_bias;
  Disentangled disentangled;
  float softcap = 0;   // score = softcap * tanh(score / softcap), with all its terms; 0 for none
  float scale = 1.0f;  // positive

  bool has_distance_bias() const { return distance_bias.shape.rank() != 0; }
};

// Tokens of a sequence, [begin, end).
struct TokenRange {
  int64_t begin = 0, end = 0;

  int64_t size() const { return end - begin; }
};

// The keys that the query at `i` sees in a sequence of `tokens` tokens.
TokenRange visible_keys(const AttentionProblem& problem, int64_t i, int64_t tokens);

struct AttentionArgs {
  TensorView q;           // [T, H * D], rows may be slices of a packed [T, (H + 2 Hkv) D]
  TensorView k;           // [T, Hkv * D]
  TensorView v;           // [T, Hkv * D]
  TensorView out;         // [T, H * D], or a row for each of `queries`; must not alias q, k, v
  TensorView cu_seqlens;  // i32 [B + 1], on the device
  // The same numbers on the host, for planning; alive until the work is done.
  std::span<const int32_t> host_cu_seqlens;
  int max_seqlen = 0;  // with the tokens that a sequence continues
  // i32 [B]: the sequence of this batch that sequence b continues, as if its tokens were b's first
  // (a prefix that texts share), or -1. Default-constructed: none does. Under causal masks without
  // key_counts only; what is continued has a multiple of kQueryBlock tokens and continues
  // nothing itself. b's rows have the bits that they have where b begins with these tokens.
  TensorView continues;
  std::span<const int32_t> host_continues;  // the same numbers on the host; empty for none
  // i32 [B]: so many leading tokens of each sequence are keys, at least 1; what comes behind them
  // only asks (ColBERT's query expansion). Default-constructed: all are. Every query's window must
  // reach a key.
  TensorView key_counts;
  std::span<const int32_t> host_key_counts;  // the same numbers on the host; empty for none
  // Of a batch of one sequence, the queries to compute, with the bits that they have among all: the
  // first row of `out` is that of queries.begin. Both ends are multiples of kQueryBlock, or the
  // second is the sequence's. Empty: every query of every sequence.
  TokenRange queries;

  SequenceRows sequence(size_t b) const;
  // The queries of sequence b that are computed, and where the row of one of them lies in `out`.
  TokenRange queries_of(const SequenceRows& sequence) const;
  int64_t out_row(const SequenceRows& sequence, int64_t query) const {
    return sequence.row(query) - queries.begin;
  }
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
