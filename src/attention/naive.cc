// The control group: the formula of attention.h in plain loops, one row of scores at a time, sums
// in fp64. It reads the boundaries of sequences from the device, so that it runs wherever host code
// does.
#include <algorithm>
#include <cmath>
#include <cstdint>

#include "attention/backends.h"
#include "ops/host_launch.h"

namespace wde::attention {
namespace {

struct NaiveArgs {
  AttentionProblem problem;
  TensorView q, k, v, out, cu_seqlens;  // as in AttentionArgs
  TensorView key_counts;                // the same; data null: every token is a key
  TensorView continues;                 // the same; data null: no sequence does
  TokenRange queries;                   // the same; empty: all
  TensorView scores;                    // f32 [max_seqlen]
};

template <class Visit>
void visit_views(NaiveArgs& args, const Visit& visit) {
  for (TensorView* view :
       {&args.q, &args.k, &args.v, &args.cu_seqlens, &args.key_counts, &args.continues}) {
    visit(*view, ops::Access::kRead);
  }
  AttentionProblem& problem = args.problem;
  visit(problem.distance_bias, ops::Access::kRead);
  visit(problem.disentangled.position_keys, ops::Access::kRead);
  visit(problem.disentangled.position_queries, ops::Access::kRead);
  visit(problem.disentangled.position_rows, ops::Access::kRead);
  visit(args.out, ops::Access::kWrite);
  visit(args.scores, ops::Access::kWrite);
}

template <class T>
T* row(const TensorView& view, int64_t token, int64_t column) {
  return view.as<T>() + token * view.row_stride + column;
}

template <class T>
double dot(const T* a, const T* b, int64_t size) {
  double sum = 0;
  for (int64_t d = 0; d < size; ++d) sum += double{to_f32(a[d])} * to_f32(b[d]);
  return sum;
}

// Column R + clamp(distance, -R, R) of a row of 2R + 1.
template <class T>
T by_distance(const T* row, int64_t columns, int64_t distance) {
  const int64_t radius = columns / 2;
  return row[radius + std::clamp(distance, -radius, radius)];
}

// The terms of Disentangled for a query and a key whose positions differ by `distance`.
template <class T>
double position_terms(const AttentionProblem& problem, int h, const T* query, const T* key,
                      int64_t distance) {
  const Disentangled& terms = problem.disentangled;
  if (!terms) return 0;
  const int64_t p =
      by_distance(terms.position_rows.as<const int32_t>(), terms.position_rows.rows(), distance);
  const int64_t size = problem.head_size;
  double sum = 0;
  if (terms.has_keys()) sum += dot(query, row<const T>(terms.position_keys, p, h * size), size);
  if (terms.has_queries()) sum += dot(key, row<const T>(terms.position_queries, p, h * size), size);
  return sum;
}

template <class T>
float score(const AttentionProblem& problem, int h, const T* query, const T* key,
            int64_t distance) {
  double value = dot(query, key, problem.head_size);
  value = problem.scale * (value + position_terms(problem, h, query, key, distance));
  if (problem.has_distance_bias()) {
    const TensorView& bias = problem.distance_bias;
    value += by_distance(row<const float>(bias, h, 0), bias.row_elements(), distance);
  }
  if (problem.softcap > 0) value = problem.softcap * std::tanh(value / problem.softcap);
  return static_cast<float>(value);
}

// The query at `i` of head h over the keys [begin, end) of its sequence.
template <class T>
void attend_row(const NaiveArgs& args, const SequenceRows& sequence, int h, int64_t i,
                int64_t begin, int64_t end) {
  const int64_t head_size = args.problem.head_size;
  const int64_t kv_column = h / (args.problem.heads / args.problem.kv_heads) * head_size;
  const int64_t token = sequence.row(i);
  const T* query = row<const T>(args.q, token, h * head_size);
  auto* scores = args.scores.as<float>();
  float maximum = -INFINITY;
  for (int64_t j = begin; j < end; ++j) {
    const T* key = row<const T>(args.k, sequence.row(j), kv_column);
    scores[j - begin] = score(args.problem, h, query, key, i - j);
    maximum = std::max(maximum, scores[j - begin]);
  }
  double sum = 0;
  for (int64_t j = begin; j < end; ++j) {
    scores[j - begin] = std::exp(scores[j - begin] - maximum);
    sum += scores[j - begin];
  }
  T* out = row<T>(args.out, token - args.queries.begin, h * head_size);
  for (int64_t d = 0; d < head_size; ++d) {
    double value = 0;
    for (int64_t j = begin; j < end; ++j) {
      const T* v = row<const T>(args.v, sequence.row(j), kv_column);
      value += double{scores[j - begin]} * to_f32(v[d]);
    }
    out[d] = from_f32<T>(static_cast<float>(value / sum));
  }
}

template <class T>
void attend_batch(const NaiveArgs& args) {
  const auto* cu_seqlens = args.cu_seqlens.as<const int32_t>();
  const auto* key_counts = args.key_counts.as<const int32_t>();
  const auto* continues = args.continues.as<const int32_t>();
  for (int64_t b = 0; b + 1 < args.cu_seqlens.rows(); ++b) {
    SequenceRows sequence = {.first = cu_seqlens[b]};
    if (continues != nullptr && continues[b] >= 0) {
      sequence.shared_first = cu_seqlens[continues[b]];
      sequence.shared = cu_seqlens[continues[b] + 1] - sequence.shared_first;
    }
    sequence.tokens = sequence.shared + cu_seqlens[b + 1] - cu_seqlens[b];
    sequence.keys = key_counts == nullptr ? sequence.tokens : key_counts[b];
    const TokenRange queries =
        args.queries.size() == 0 ? TokenRange{sequence.shared, sequence.tokens} : args.queries;
    for (int64_t i = queries.begin; i < queries.end; ++i) {
      const TokenRange keys = visible_keys(args.problem, i, sequence.tokens);
      for (int h = 0; h < args.problem.heads; ++h) {
        attend_row<T>(args, sequence, h, i, keys.begin, std::min(keys.end, sequence.keys));
      }
    }
  }
}

void attend_naively(const NaiveArgs& args) {
  if (args.problem.dtype == DType::kBF16) return attend_batch<bf16>(args);
  attend_batch<float>(args);
}

class NaiveAttention final : public Attention {
 public:
  explicit NaiveAttention(const AttentionProblem& problem) : problem_(problem) {}

  const AttentionProblem& problem() const override { return problem_; }
  std::string_view name() const override { return "naive"; }

  size_t workspace_bytes(int64_t, int64_t, int64_t max_seqlen, int) const override {
    return static_cast<size_t>(max_seqlen) * sizeof(float);
  }

  void run(ops::OpContext& context, const AttentionArgs& args, void* workspace) const override {
    const NaiveArgs naive = {
        .problem = problem_,
        .q = args.q,
        .k = args.k,
        .v = args.v,
        .out = args.out,
        .cu_seqlens = args.cu_seqlens,
        .key_counts = args.key_counts,
        .continues = args.continues,
        .queries = args.queries,
        .scores = TensorView::contiguous(workspace, DType::kF32, {args.max_seqlen})};
    if (context.stream.device().kind() == "cpu") {
      attend_naively(naive);  // inline, so without an allocation
    } else {
      ops::launch_on_host(context.stream, "naive_attention", naive, attend_naively);
    }
  }

 private:
  AttentionProblem problem_;
};

}  // namespace

std::string naive_refusal(const AttentionProblem& problem, const Device& device,
                          const ops::OpTable&) {
  if (device.kind() != "cpu" && device.kind() != "emulated") {
    return fmt::format("device kind \"{}\" (it runs on cpu and emulated)", device.kind());
  }
  return problem_refusal(problem);
}

std::unique_ptr<Attention> create_naive(const AttentionProblem& problem, const ops::OpTable&) {
  return std::make_unique<NaiveAttention>(problem);
}

}  // namespace wde::attention
