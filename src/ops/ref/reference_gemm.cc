#include "ops/ref/reference_gemm.h"

#include <cstring>
#include <utility>
#include <vector>

#include "ops/quantize.h"
#include "ops/ref/kernels.h"
#include "tensor/computed_rows.h"

namespace wde::ops::ref {
namespace {

constexpr size_t kAlignmentBytes = 64;

// int8 weights and codes are kept as the f32 numbers that they stand for, and x is not quantized:
// what is compared with this sees its own error of quantizing x.
DType weights_dtype(const GemmProblem& problem) {
  return problem.weights == WeightFormat::kDType ? problem.dtype : DType::kF32;
}

class ReferenceGemm final : public Gemm {
 public:
  ReferenceGemm(const GemmProblem& problem, Storage storage, size_t bias_offset_bytes)
      : problem_(problem), storage_(std::move(storage)), bias_offset_bytes_(bias_offset_bytes) {}

  const GemmProblem& problem() const override { return problem_; }
  std::string_view name() const override { return "reference"; }
  size_t weight_bytes() const override { return storage_.size_bytes(); }
  size_t workspace_bytes(int64_t, int) const override { return 0; }

  void run(OpContext& context, const GemmArgs& args, void*) const override {
    ReferenceGemmArgs all = {.io = args, .activation = problem_.activation};
    all.weight = TensorView::contiguous(storage_.data(), weights_dtype(problem_),
                                        Shape({problem_.n, problem_.k}));
    if (problem_.bias) {
      void* bias = static_cast<std::byte*>(storage_.data()) + bias_offset_bytes_;
      all.bias = TensorView::contiguous(bias, DType::kF32, Shape({problem_.n}));
    }
    if (context.ops.device_kind == "cpu") return gemm(all);
    launch_on_host(context.stream, "gemm", all, gemm);
  }

 private:
  GemmProblem problem_;
  Storage storage_;  // [n, k], then the bias
  size_t bias_offset_bytes_;
};

void round_to_int8(std::vector<float>* row) {
  std::vector<int8_t> quantized(row->size());
  const float scale = quantize_weights(*row, quantized.data());
  for (size_t i = 0; i < row->size(); ++i) (*row)[i] = scale * static_cast<float>(quantized[i]);
}

// The weights as run() reads them, in host memory.
std::vector<std::byte> lay_out(const GemmProblem& problem, const GemmWeights& weights,
                               size_t bias_offset_bytes) {
  const auto n = static_cast<size_t>(problem.n);
  const auto k = static_cast<size_t>(problem.k);
  std::vector<std::byte> bytes(bias_offset_bytes + (problem.bias ? n * sizeof(float) : 0));
  const TensorView& weight = weights.weight;
  const size_t row_bytes = k * dtype_size_bytes(weights_dtype(problem));
  std::vector<float> values(k);
  for (size_t row = 0; row < n; ++row) {
    read_f32(weight.slice_rows(static_cast<int64_t>(row), 1), values.data());
    if (problem.weights == WeightFormat::kInt8) round_to_int8(&values);
    convert_elements(values.data(), DType::kF32, bytes.data() + row * row_bytes,
                     weights_dtype(problem), k);
  }
  if (problem.bias) {
    std::memcpy(bytes.data() + bias_offset_bytes, weights.bias.data, n * sizeof(float));
  }
  return bytes;
}

}  // namespace

std::string reference_gemm_refusal(const GemmProblem&, const Device& device, const OpTable&) {
  if (device.kind() == "cpu" || device.kind() == "emulated") return {};
  return fmt::format("it runs on cpu and emulated, not on {}", device.kind());
}

Result<std::unique_ptr<Gemm>> create_reference_gemm(const GemmProblem& problem,
                                                    const GemmWeights& weights, Device& device,
                                                    const OpTable&) {
  const size_t matrix_bytes =
      static_cast<size_t>(problem.n * problem.k) * dtype_size_bytes(weights_dtype(problem));
  const size_t bias_offset_bytes =
      (matrix_bytes + kAlignmentBytes - 1) / kAlignmentBytes * kAlignmentBytes;
  const std::vector<std::byte> bytes = lay_out(problem, weights, bias_offset_bytes);
  WDE_ASSIGN_OR_RETURN(Storage storage, device.allocate(bytes.size()));
  const std::unique_ptr<Stream> stream = device.create_stream();
  stream->copy_to_device(storage.data(), bytes.data(), bytes.size());
  WDE_RETURN_IF_ERROR(stream->synchronize());
  GemmProblem kept = problem;
  kept.codes.group_of = {};  // the checkpoint's may go
  return std::unique_ptr<Gemm>(
      std::make_unique<ReferenceGemm>(kept, std::move(storage), bias_offset_bytes));
}

}  // namespace wde::ops::ref
