// The control group: the formula of attention.h in plain loops, one row of scores at a time, sums
// in fp64. It reads the boundaries of sequences from the device, so that it runs wherever host code
// does.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include "attention/backends.h"

namespace wde::attention {
namespace {

class NaiveKernel final : public HostKernel {
 public:
  // `scores` is f32 [max_seqlen], in device memory.
  NaiveKernel(const AttentionProblem& problem, const AttentionArgs& args, void* scores)
      : problem_(problem),
        q_(args.q),
        k_(args.k),
        v_(args.v),
        out_(args.out),
        cu_seqlens_(args.cu_seqlens),
        scores_(scores),
        scores_bytes_(static_cast<size_t>(args.max_seqlen) * sizeof(float)) {}

  std::string_view name() const override { return "naive_attention"; }

  std::vector<DeviceRange> ranges() override {
    return {{&q_.data, q_.span_bytes(), false},
            {&k_.data, k_.span_bytes(), false},
            {&v_.data, v_.span_bytes(), false},
            {&out_.data, out_.span_bytes(), true},
            {&cu_seqlens_.data, cu_seqlens_.span_bytes(), false},
            {&scores_, scores_bytes_, true}};
  }

  void run() override {
    const auto* cu_seqlens = cu_seqlens_.as<const int32_t>();
    for (int64_t b = 0; b + 1 < cu_seqlens_.rows(); ++b) {
      for (int64_t i = cu_seqlens[b]; i < cu_seqlens[b + 1]; ++i) {
        const bool causal = problem_.mask == MaskKind::kCausal;
        const int64_t end = causal ? i + 1 : cu_seqlens[b + 1];
        for (int h = 0; h < problem_.heads; ++h) {
          if (problem_.dtype == DType::kBF16) {
            attend_row<bf16>(h, i, cu_seqlens[b], end);
          } else {
            attend_row<float>(h, i, cu_seqlens[b], end);
          }
        }
      }
    }
  }

 private:
  template <class T>
  static T* row(const TensorView& view, int64_t token, int64_t column) {
    return view.as<T>() + token * view.row_stride + column;
  }

  // Query `token` of head h over the keys of tokens [begin, end).
  template <class T>
  void attend_row(int h, int64_t token, int64_t begin, int64_t end) {
    const int64_t head_size = problem_.head_size;
    const int64_t kv_column = h / (problem_.heads / problem_.kv_heads) * head_size;
    const T* query = row<const T>(q_, token, h * head_size);
    auto* scores = static_cast<float*>(scores_);
    float maximum = -INFINITY;
    for (int64_t j = begin; j < end; ++j) {
      const T* key = row<const T>(k_, j, kv_column);
      double dot = 0;
      for (int64_t d = 0; d < head_size; ++d) dot += double{to_f32(query[d])} * to_f32(key[d]);
      scores[j - begin] = static_cast<float>(dot * problem_.scale);
      maximum = std::max(maximum, scores[j - begin]);
    }
    double sum = 0;
    for (int64_t j = begin; j < end; ++j) {
      scores[j - begin] = std::exp(scores[j - begin] - maximum);
      sum += scores[j - begin];
    }
    T* out = row<T>(out_, token, h * head_size);
    for (int64_t d = 0; d < head_size; ++d) {
      double value = 0;
      for (int64_t j = begin; j < end; ++j) {
        value += double{scores[j - begin]} * to_f32(row<const T>(v_, j, kv_column)[d]);
      }
      out[d] = from_f32<T>(static_cast<float>(value / sum));
    }
  }

  AttentionProblem problem_;
  TensorView q_, k_, v_, out_, cu_seqlens_;
  void* scores_;
  size_t scores_bytes_;
};

class NaiveAttention final : public Attention {
 public:
  explicit NaiveAttention(const AttentionProblem& problem) : problem_(problem) {}

  const AttentionProblem& problem() const override { return problem_; }
  std::string_view name() const override { return "naive"; }

  size_t workspace_bytes(int64_t, int64_t, int64_t max_seqlen, int) const override {
    return static_cast<size_t>(max_seqlen) * sizeof(float);
  }

  void run(ops::OpContext& context, const AttentionArgs& args, void* workspace) const override {
    if (context.stream.device().host_addressable()) {
      NaiveKernel(problem_, args, workspace).run();  // inline, so without an allocation
    } else {
      context.stream.launch(std::make_unique<NaiveKernel>(problem_, args, workspace));
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
