// The worked example of docs/adding-an-attention-backend.md: a backend in one screen. One pass over
// the keys of each query with a running softmax (Milakov and Gimelshein 2018), plain loops in f32;
// any head size, any mask and window, nothing else that a score may have.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <memory>
#include <string>

#include "attention/attention.h"

namespace wde::attention::example {

class OnePassAttention final : public Attention {
 public:
  explicit OnePassAttention(const AttentionProblem& problem) : problem_(problem) {}

  const AttentionProblem& problem() const override { return problem_; }
  std::string_view name() const override { return "one_pass"; }

  // The output row of the query that a thread is at.
  size_t workspace_bytes(int64_t, int64_t, int64_t, int threads) const override {
    return static_cast<size_t>(threads) * row_bytes();
  }

  // A work item is a head of a sequence: no two threads write the same row, and what a row's bits
  // depend on lies within its sequence.
  void run(ops::OpContext& context, const AttentionArgs& args, void* workspace) const override {
    const auto heads = static_cast<size_t>(problem_.heads);
    const size_t items = (args.host_cu_seqlens.size() - 1) * heads;
    const auto work = [&](size_t item, int thread) {
      auto* bytes = static_cast<std::byte*>(workspace) + row_bytes() * static_cast<size_t>(thread);
      const size_t b = item / heads;
      attend_sequence(args, b, static_cast<int>(item % heads), reinterpret_cast<float*>(bytes));
    };
    if (context.pool != nullptr) return context.pool->parallel_for(items, work);
    for (size_t item = 0; item < items; ++item) work(item, 0);
  }

 private:
  size_t row_bytes() const { return static_cast<size_t>(problem_.head_size) * sizeof(float); }

  float* row(const TensorView& view, int64_t token, int head) const {
    return view.as<float>() + token * view.row_stride + int64_t{head} * problem_.head_size;
  }

  void attend_sequence(const AttentionArgs& args, size_t b, int head, float* sum) const {
    const SequenceRows sequence = args.sequence(b);
    const TokenRange queries = args.queries_of(sequence);
    for (int64_t i = queries.begin; i < queries.end; ++i) {
      const TokenRange keys = visible_keys(problem_, i, sequence.tokens);
      attend_row(args, sequence, i, {keys.begin, std::min(keys.end, sequence.keys)}, head, sum);
    }
  }

  // After each key, sum = sum_j exp(score_j - maximum) v_j and total = sum_j exp(score_j -
  // maximum).
  void attend_row(const AttentionArgs& args, const SequenceRows& sequence, int64_t i,
                  TokenRange keys, int head, float* sum) const {
    const int kv_head = head / (problem_.heads / problem_.kv_heads);
    const int size = problem_.head_size;
    const float* query = row(args.q, sequence.row(i), head);
    float maximum = -INFINITY, total = 0;
    std::fill_n(sum, size, 0.0f);
    for (int64_t j = keys.begin; j < keys.end; ++j) {
      const float* key = row(args.k, sequence.row(j), kv_head);
      const float* value = row(args.v, sequence.row(j), kv_head);
      float score = 0;
      for (int d = 0; d < size; ++d) score += query[d] * key[d];
      score *= problem_.scale;
      const float rescale = std::exp(maximum - std::max(maximum, score));
      maximum = std::max(maximum, score);
      const float p = std::exp(score - maximum);
      total = total * rescale + p;
      for (int d = 0; d < size; ++d) sum[d] = sum[d] * rescale + p * value[d];
    }
    float* out = row(args.out, args.out_row(sequence, i), head);
    for (int d = 0; d < size; ++d) out[d] = sum[d] / total;
  }

  AttentionProblem problem_;
};

// Whatever `run` does not compute must be named here: a backend that ignores a field of the problem
// answers with silently wrong vectors.
inline std::string one_pass_refusal(const AttentionProblem& problem, const Device& device,
                                    const ops::OpTable&) {
  if (device.kind() != "cpu") return "it runs on cpu";
  if (problem.dtype != DType::kF32) return "it computes f32";
  if (problem.has_distance_bias()) return "it knows no distance bias";
  if (problem.disentangled) return "it knows no disentangled positions";
  if (problem.softcap > 0) return "it knows no softcap";
  return {};
}

inline std::unique_ptr<Attention> create_one_pass(const AttentionProblem& problem,
                                                  const ops::OpTable&) {
  return std::make_unique<OnePassAttention>(problem);
}

// What the row in attention.cc's table would say.
constexpr AttentionBackend kOnePass = {"one_pass", one_pass_refusal, create_one_pass};

}  // namespace wde::attention::example
