#include "ops/cpu/grouped_experts.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#include "base/status.h"
#include "ops/parallel.h"

namespace wde::ops {
namespace {

// Rows that one thread gathers or sums at a time.
constexpr int64_t kBlockRows = 32;

// The parts of run()'s workspace, each 64-byte aligned, for m rows.
struct Workspace {
  float* shares;        // [m, E]: the router's scores, then their softmax
  int32_t* chosen;      // [m, k]: experts of a row, largest share first
  int32_t* slots;       // [m, k]: where in `answers` each of them puts its row
  int32_t* sources;     // [m k]: the row of x in each slot
  int32_t* begins;      // [E + 1]: the slots of each expert
  std::byte* gathered;  // [m, C] of x's dtype: an expert's rows
  std::byte* inner;     // [m, F] of x's dtype
  float* answers;       // [m k, C]
  std::byte* gemm;
};

class GroupedExperts final : public Experts {
 public:
  explicit GroupedExperts(const ExpertsProblem& problem) : problem_(problem) {}

  const ExpertsProblem& problem() const override { return problem_; }
  std::string_view gemm_name() const override { return up_.front()->name(); }
  size_t weight_bytes() const override;
  size_t workspace_bytes(int64_t m, int threads) const override {
    return lay_out(nullptr, m, threads).second;
  }
  void run(OpContext& context, const ExpertsArgs& args, void* workspace) const override;

  Status pack(const ExpertsWeights& weights, Device& device, const OpTable& ops,
              std::string_view gemm_backend);

 private:
  std::pair<Workspace, size_t> lay_out(void* base, int64_t m, int threads) const;
  void route(const Workspace& work, int64_t m) const;
  void choose(const Workspace& work, int64_t t) const;
  void compute_expert(OpContext& context, const ExpertsArgs& args, const Workspace& work,
                      int64_t e) const;
  template <class T>
  void sum_row(const ExpertsArgs& args, const Workspace& work, int64_t t) const;

  ExpertsProblem problem_;
  std::unique_ptr<Gemm> router_;
  std::vector<std::unique_ptr<Gemm>> up_, down_;
  std::vector<float> bias_;  // empty for none
};

size_t GroupedExperts::weight_bytes() const {
  size_t bytes = router_->weight_bytes() + bias_.size() * sizeof(float);
  for (const auto& gemm : up_) bytes += gemm->weight_bytes();
  for (const auto& gemm : down_) bytes += gemm->weight_bytes();
  return bytes;
}

Status GroupedExperts::pack(const ExpertsWeights& weights, Device& device, const OpTable& ops,
                            std::string_view gemm_backend) {
  const ExpertsProblem& p = problem_;
  const GemmProblem router{
      .dtype = p.dtype, .output_dtype = DType::kF32, .n = p.experts, .k = p.hidden_size};
  GemmProblem up{.dtype = p.dtype,
                 .output_dtype = p.dtype,
                 .n = p.inner_size,
                 .k = p.hidden_size,
                 .weights = p.weights,
                 .activation = p.activation};
  GemmProblem down{.dtype = p.dtype,
                   .output_dtype = DType::kF32,
                   .n = p.hidden_size,
                   .k = p.inner_size,
                   .weights = p.weights};
  WDE_ASSIGN_OR_RETURN(router_,
                       create_gemm(router, {.weight = weights.router}, device, ops, gemm_backend));
  for (int64_t e = 0; e < p.experts; ++e) {
    const TensorView first = weights.up.slice_rows(e * p.inner_size, p.inner_size);
    const TensorView second = weights.down.slice_rows(e * p.hidden_size, p.hidden_size);
    WDE_ASSIGN_OR_RETURN(auto up_gemm,
                         create_gemm(up, {.weight = first}, device, ops, gemm_backend));
    WDE_ASSIGN_OR_RETURN(auto down_gemm,
                         create_gemm(down, {.weight = second}, device, ops, gemm_backend));
    up_.push_back(std::move(up_gemm));
    down_.push_back(std::move(down_gemm));
  }
  if (weights.bias.data != nullptr) {
    const auto* bias = weights.bias.as<const float>();
    bias_.assign(bias, bias + p.hidden_size);
  }
  return {};
}

std::pair<Workspace, size_t> GroupedExperts::lay_out(void* base, int64_t m, int threads) const {
  const ExpertsProblem& p = problem_;
  const size_t rows = static_cast<size_t>(m), element_bytes = dtype_size_bytes(p.dtype);
  const size_t C = static_cast<size_t>(p.hidden_size), F = static_cast<size_t>(p.inner_size);
  const size_t E = static_cast<size_t>(p.experts), k = static_cast<size_t>(p.top_k);
  size_t end_bytes = 0;
  // Without a base, of which the end alone is wanted: null.
  const auto take = [&](size_t bytes) {
    std::byte* at = base == nullptr ? nullptr : static_cast<std::byte*>(base) + end_bytes;
    end_bytes += (bytes + 63) / 64 * 64;
    return at;
  };
  const auto take_i32 = [&](size_t count) {
    return reinterpret_cast<int32_t*>(take(count * sizeof(int32_t)));
  };
  Workspace work{};
  work.shares = reinterpret_cast<float*>(take(rows * E * sizeof(float)));
  work.chosen = take_i32(rows * k);
  work.slots = take_i32(rows * k);
  work.sources = take_i32(rows * k);
  work.begins = take_i32(E + 1);
  work.gathered = take(rows * C * element_bytes);
  work.inner = take(rows * F * element_bytes);
  work.answers = reinterpret_cast<float*>(take(rows * k * C * sizeof(float)));
  size_t gemm_bytes = router_->workspace_bytes(m, threads);
  gemm_bytes = std::max(gemm_bytes, up_.front()->workspace_bytes(m, threads));
  gemm_bytes = std::max(gemm_bytes, down_.front()->workspace_bytes(m, threads));
  work.gemm = take(gemm_bytes);
  return {work, end_bytes};
}

// The scores of row t to shares, and the k largest; of equal ones the first.
void GroupedExperts::choose(const Workspace& work, int64_t t) const {
  const int64_t E = problem_.experts;
  float* shares = work.shares + t * E;
  int32_t* chosen = work.chosen + t * problem_.top_k;
  const float largest = *std::max_element(shares, shares + E);
  float sum = 0;
  for (int64_t e = 0; e < E; ++e) sum += shares[e] = std::exp(shares[e] - largest);
  for (int64_t e = 0; e < E; ++e) shares[e] /= sum;
  for (int64_t i = 0; i < problem_.top_k; ++i) {
    int32_t best = -1;
    for (int32_t e = 0; e < E; ++e) {
      if (std::find(chosen, chosen + i, e) != chosen + i) continue;
      if (best < 0 || shares[e] > shares[best]) best = e;
    }
    chosen[i] = best;
  }
}

// Slots of an expert are in the order of its rows.
void GroupedExperts::route(const Workspace& work, int64_t m) const {
  const int64_t pairs = m * problem_.top_k;
  for (int64_t t = 0; t < m; ++t) choose(work, t);
  std::fill_n(work.begins, problem_.experts + 1, 0);
  for (int64_t i = 0; i < pairs; ++i) ++work.begins[work.chosen[i] + 1];
  for (int64_t e = 0; e < problem_.experts; ++e) work.begins[e + 1] += work.begins[e];
  for (int64_t i = 0; i < pairs; ++i) {
    // begins[e] runs through e's slots, and is where e + 1 begins at the end.
    const int32_t slot = work.begins[work.chosen[i]]++;
    work.slots[i] = slot;
    work.sources[slot] = static_cast<int32_t>(i / problem_.top_k);
  }
  for (int64_t e = problem_.experts; e > 0; --e) work.begins[e] = work.begins[e - 1];
  work.begins[0] = 0;
}

void GroupedExperts::compute_expert(OpContext& context, const ExpertsArgs& args,
                                    const Workspace& work, int64_t e) const {
  const ExpertsProblem& p = problem_;
  const int64_t begin = work.begins[e], rows = work.begins[e + 1] - begin;
  if (rows == 0) return;
  const size_t element_bytes = dtype_size_bytes(p.dtype);
  const size_t row_bytes = static_cast<size_t>(p.hidden_size) * element_bytes;
  const size_t stride_bytes = static_cast<size_t>(args.x.row_stride) * element_bytes;
  parallel_rows(context.pool, rows, kBlockRows, [&](int64_t first, int64_t last) {
    for (int64_t i = first; i < last; ++i) {
      const auto source = static_cast<size_t>(work.sources[begin + i]);
      std::memcpy(work.gathered + static_cast<size_t>(i) * row_bytes,
                  args.x.as<const std::byte>() + source * stride_bytes, row_bytes);
    }
  });
  const auto index = static_cast<size_t>(e);
  const TensorView gathered = TensorView::contiguous(work.gathered, p.dtype, {rows, p.hidden_size});
  const TensorView inner = TensorView::contiguous(work.inner, p.dtype, {rows, p.inner_size});
  const TensorView answers = TensorView::contiguous(work.answers + begin * p.hidden_size,
                                                    DType::kF32, {rows, p.hidden_size});
  up_[index]->run(context, {.x = gathered, .residual = {}, .y = inner}, work.gemm);
  down_[index]->run(context, {.x = inner, .residual = {}, .y = answers}, work.gemm);
}

template <class T>
void GroupedExperts::sum_row(const ExpertsArgs& args, const Workspace& work, int64_t t) const {
  const int64_t C = problem_.hidden_size, k = problem_.top_k;
  const T* residual = args.residual.data == nullptr
                          ? nullptr
                          : args.residual.as<T>() + t * args.residual.row_stride;
  T* out = args.out.as<T>() + t * args.out.row_stride;
  for (int64_t c = 0; c < C; ++c) {
    float sum = 0;
    for (int64_t i = 0; i < k; ++i) {
      const float share = work.shares[t * problem_.experts + work.chosen[t * k + i]];
      sum += share * work.answers[work.slots[t * k + i] * C + c];
    }
    if (!bias_.empty()) sum += bias_[static_cast<size_t>(c)];
    if (residual != nullptr) sum += to_f32(residual[c]);
    out[c] = from_f32<T>(sum);
  }
}

void GroupedExperts::run(OpContext& context, const ExpertsArgs& args, void* workspace) const {
  const int64_t m = args.x.rows();
  const Workspace work = lay_out(workspace, m, thread_count(context.pool)).first;
  const TensorView scores = TensorView::contiguous(work.shares, DType::kF32, {m, problem_.experts});
  router_->run(context, {.x = args.x, .residual = {}, .y = scores}, work.gemm);
  route(work, m);
  for (int64_t e = 0; e < problem_.experts; ++e) compute_expert(context, args, work, e);
  parallel_rows(context.pool, m, kBlockRows, [&](int64_t begin, int64_t end) {
    for (int64_t t = begin; t < end; ++t) {
      if (problem_.dtype == DType::kBF16)
        sum_row<bf16>(args, work, t);
      else
        sum_row<float>(args, work, t);
    }
  });
}

}  // namespace

Result<std::unique_ptr<Experts>> create_grouped_experts(const ExpertsProblem& problem,
                                                        const ExpertsWeights& weights,
                                                        Device& device, const OpTable& ops,
                                                        std::string_view gemm_backend) {
  auto experts = std::make_unique<GroupedExperts>(problem);
  WDE_RETURN_IF_ERROR(experts->pack(weights, device, ops, gemm_backend));
  return std::unique_ptr<Experts>(std::move(experts));
}

}  // namespace wde::ops
