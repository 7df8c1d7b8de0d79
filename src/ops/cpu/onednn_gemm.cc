// Facts about oneDNN 2.6.3 that this file rests on, measured (tests/ops/gemm_test.cc checks them
// where the CPU allows):
//   - AVX-512 (brgemm): the packed layout is the same for every M, and so are a row's bits.
//   - AVX2 (gemm:jit): a row's bits depend on M and on the row's place (K = 768: 75 of 82 values of
//   M give
//     rows that differ from those of M = 4096): not batch-invariant. bf16 does not exist below
//     AVX-512, and without its BF16 instructions it is slower than f32.
//   - A primitive takes 100-500 us to make; one with a run-time M falls to the reference code. So
//     primitives are made for a few M, and a batch is cut into those.
//   - It runs on OpenMP's threads, as many as the calling thread's setting says: we set one, and
//     cut rows over our own pool.
#include "ops/cpu/onednn_gemm.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <oneapi/dnnl/dnnl.hpp>
#include <unordered_map>
#include <utility>
#include <vector>

#include "ops/parallel.h"
#include "tensor/computed_rows.h"

// OpenMP 5.0, sections 3.2.1 and 3.2.3; from libgomp, which Debian's oneDNN runs on. Declared here
// because <omp.h> comes with a compiler, and not with each.
extern "C" {
void omp_set_num_threads(int threads);
int omp_get_max_threads();
}

namespace wde::ops {
namespace {

using dnnl::memory;

// The M that primitives are made for. Any other is cut greedily: repeats of the last, then at
// most 5.
constexpr std::array<int64_t, 14> kPieceRows = {1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 64, 96, 128, 256};
constexpr int64_t kMostRows = kPieceRows.back();
constexpr size_t kAlignmentBytes = 64;

// OpenMP's thread count is a setting of the calling thread: one while this lives.
class OneOpenMpThread {
 public:
  OneOpenMpThread() : before_(omp_get_max_threads()) { omp_set_num_threads(1); }
  ~OneOpenMpThread() { omp_set_num_threads(before_); }
  OneOpenMpThread(const OneOpenMpThread&) = delete;
  OneOpenMpThread& operator=(const OneOpenMpThread&) = delete;

 private:
  int before_;
};

size_t piece_index(int64_t rows) {
  const auto after = std::upper_bound(kPieceRows.begin(), kPieceRows.end(), rows);
  return static_cast<size_t>(after - kPieceRows.begin()) - 1;
}

size_t align(size_t bytes) {
  return (bytes + kAlignmentBytes - 1) / kAlignmentBytes * kAlignmentBytes;
}

memory::data_type data_type(DType dtype) {
  return dtype == DType::kBF16 ? memory::data_type::bf16 : memory::data_type::f32;
}

memory::desc rows_desc(int64_t rows, int64_t columns, DType dtype) {
  return {{rows, columns}, data_type(dtype), memory::format_tag::ab};
}

void append_activation(dnnl::post_ops& post_ops, Activation activation) {
  using dnnl::algorithm;
  switch (activation) {
    case Activation::kNone:
      return;
    case Activation::kGeluErf:
      return post_ops.append_eltwise(1, algorithm::eltwise_gelu_erf, 0, 0);
    case Activation::kGeluTanh:
      return post_ops.append_eltwise(1, algorithm::eltwise_gelu_tanh, 0, 0);
    case Activation::kQuickGelu:
      return post_ops.append_eltwise(1, algorithm::eltwise_swish, 1.702f, 0);
    case Activation::kRelu:
      return post_ops.append_eltwise(1, algorithm::eltwise_relu, 0, 0);
    case Activation::kSilu:
      return post_ops.append_eltwise(1, algorithm::eltwise_swish, 1, 0);
    case Activation::kTanh:
      return post_ops.append_eltwise(1, algorithm::eltwise_tanh, 0, 0);
    case Activation::kSigmoid:
      return post_ops.append_eltwise(1, algorithm::eltwise_logistic, 0, 0);
  }
}

enum class Residual { kNone, kAdded };

// The matmul for one M. With Residual::kAdded, y holds the residual beforehand.
dnnl::matmul::primitive_desc describe(const GemmProblem& problem, int64_t rows, Residual residual,
                                      const memory::desc& weights, const dnnl::engine& engine) {
  dnnl::post_ops post_ops;
  append_activation(post_ops, problem.activation);
  if (residual == Residual::kAdded) post_ops.append_sum(1);
  dnnl::primitive_attr attributes;
  attributes.set_post_ops(post_ops);
  attributes.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  const memory::desc x = rows_desc(rows, problem.k, problem.dtype);
  const memory::desc y = rows_desc(rows, problem.n, problem.output_dtype);
  if (!problem.bias) return {{x, weights, y}, attributes, engine};
  const memory::desc bias = rows_desc(1, problem.n, DType::kF32);
  return {{x, weights, bias, y}, attributes, engine};
}

memory::desc packed_weights_desc(const GemmProblem& problem, const dnnl::engine& engine) {
  const memory::desc any({problem.k, problem.n}, data_type(problem.dtype), memory::format_tag::any);
  return describe(problem, kMostRows, Residual::kNone, any, engine).weights_desc();
}

// One M's primitives, without and with a residual.
struct Piece {
  dnnl::matmul plain;
  dnnl::matmul added;
};

class OneDnnGemm final : public Gemm {
 public:
  OneDnnGemm(const GemmProblem& problem, const memory::desc& weights_desc, Storage storage)
      : problem_(problem),
        engine_(dnnl::engine::kind::cpu, 0),
        weights_desc_(weights_desc),
        storage_(std::move(storage)) {
    for (const int64_t rows : kPieceRows) {
      const auto plain = describe(problem_, rows, Residual::kNone, weights_desc_, engine_);
      const auto added = describe(problem_, rows, Residual::kAdded, weights_desc_, engine_);
      pieces_.push_back({dnnl::matmul(plain), dnnl::matmul(added)});
      scratchpad_bytes_ = std::max({scratchpad_bytes_, plain.scratchpad_desc().get_size(),
                                    added.scratchpad_desc().get_size()});
    }
  }

  const GemmProblem& problem() const override { return problem_; }
  std::string_view name() const override { return "onednn"; }
  size_t weight_bytes() const override { return storage_.size_bytes(); }
  size_t workspace_bytes(int64_t m, int threads) const override {
    return slot_bytes(std::min(m, kMostRows)) * static_cast<size_t>(threads);
  }

  void run(OpContext& context, const GemmArgs& args, void* workspace) const override {
    const int64_t m = args.x.rows();
    const int threads = thread_count(context.pool);
    const int64_t share = (m + threads - 1) / threads;
    const int64_t block_rows = threads == 1 ? m : std::min(kMostRows, share);
    const size_t slot = slot_bytes(std::min(m, kMostRows));
    const auto block = [&](size_t index, int thread) {
      const int64_t begin = static_cast<int64_t>(index) * block_rows;
      run_rows(args, begin, std::min(begin + block_rows, m),
               static_cast<std::byte*>(workspace) + slot * static_cast<size_t>(thread));
    };
    const auto blocks = static_cast<size_t>((m + block_rows - 1) / block_rows);
    if (blocks == 1) return block(0, 0);
    context.pool->parallel_for(blocks, block);
  }

 private:
  // One thread's workspace: the scratchpad, then contiguous copies of a piece of x and of y.
  size_t slot_bytes(int64_t rows) const {
    return align(scratchpad_bytes_) + x_bytes(rows) + y_bytes(rows);
  }
  size_t x_bytes(int64_t rows) const {
    return align(static_cast<size_t>(rows * problem_.k) * dtype_size_bytes(problem_.dtype));
  }
  size_t y_bytes(int64_t rows) const {
    return align(static_cast<size_t>(rows * problem_.n) * dtype_size_bytes(problem_.output_dtype));
  }

  void run_rows(const GemmArgs& args, int64_t begin, int64_t end, std::byte* slot) const {
    const OneOpenMpThread one_thread;
    while (begin < end) {
      const size_t index = piece_index(end - begin);
      const int64_t rows = kPieceRows[index];
      GemmArgs part = {.x = args.x.slice_rows(begin, rows), .y = args.y.slice_rows(begin, rows)};
      if (args.residual.data != nullptr) part.residual = args.residual.slice_rows(begin, rows);
      run_piece(pieces_[index], part, slot);
      begin += rows;
    }
  }

  // Primitives are made for contiguous rows; others go through copies.
  void run_piece(const Piece& piece, const GemmArgs& args, std::byte* slot) const {
    const int64_t rows = args.x.rows();
    std::byte* x_copy = slot + align(scratchpad_bytes_);
    const TensorView x = args.x.is_contiguous()
                             ? args.x
                             : TensorView::contiguous(x_copy, args.x.dtype, args.x.shape);
    const TensorView y =
        args.y.is_contiguous()
            ? args.y
            : TensorView::contiguous(x_copy + x_bytes(rows), args.y.dtype, args.y.shape);
    if (x.data != args.x.data) copy_rows(args.x, x);
    const bool added = args.residual.data != nullptr;
    if (added && args.residual.data != y.data) copy_rows(args.residual, y);
    execute(added ? piece.added : piece.plain, x, y, slot);
    if (y.data != args.y.data) copy_rows(y, args.y);
  }

  static void copy_rows(const TensorView& from, const TensorView& to) {
    const size_t element_bytes = dtype_size_bytes(from.dtype);
    const auto row_bytes = static_cast<size_t>(from.row_elements()) * element_bytes;
    for (int64_t row = 0; row < from.rows(); ++row) {
      const auto r = static_cast<size_t>(row);
      std::memcpy(to.as<std::byte>() + r * static_cast<size_t>(to.row_stride) * element_bytes,
                  from.as<std::byte>() + r * static_cast<size_t>(from.row_stride) * element_bytes,
                  row_bytes);
    }
  }

  // noexcept: with arguments made for the primitive, the library has nothing to refuse.
  void execute(const dnnl::matmul& matmul, const TensorView& x, const TensorView& y,
               void* scratchpad) const noexcept {
    dnnl::stream stream(engine_);
    const memory::desc scratchpad_desc({static_cast<int64_t>(scratchpad_bytes_)},
                                       memory::data_type::u8, memory::format_tag::a);
    std::unordered_map<int, memory> arguments = {
        {DNNL_ARG_SRC, {rows_desc(x.rows(), problem_.k, problem_.dtype), engine_, x.data}},
        {DNNL_ARG_WEIGHTS, {weights_desc_, engine_, storage_.data()}},
        {DNNL_ARG_DST, {rows_desc(y.rows(), problem_.n, problem_.output_dtype), engine_, y.data}},
        {DNNL_ARG_SCRATCHPAD, {scratchpad_desc, engine_, scratchpad}},
    };
    if (problem_.bias) {
      arguments.insert({DNNL_ARG_BIAS, {rows_desc(1, problem_.n, DType::kF32), engine_, bias()}});
    }
    matmul.execute(stream, arguments);
    stream.wait();
  }

  void* bias() const {
    return static_cast<std::byte*>(storage_.data()) + align(weights_desc_.get_size());
  }

  GemmProblem problem_;
  dnnl::engine engine_;
  memory::desc weights_desc_;
  Storage storage_;  // packed weights, then the bias
  std::vector<Piece> pieces_;
  size_t scratchpad_bytes_ = 0;
};

// Weights in the problem's dtype, [n, k] contiguous.
std::vector<std::byte> plain_weights(const GemmProblem& problem, const TensorView& weight) {
  const size_t row_bytes = static_cast<size_t>(problem.k) * dtype_size_bytes(problem.dtype);
  std::vector<std::byte> plain(row_bytes * static_cast<size_t>(problem.n));
  std::vector<float> row(static_cast<size_t>(problem.k));
  for (int64_t n = 0; n < problem.n; ++n) {
    read_f32(weight.slice_rows(n, 1), row.data());
    convert_elements(row.data(), DType::kF32, plain.data() + static_cast<size_t>(n) * row_bytes,
                     problem.dtype, row.size());
  }
  return plain;
}

Result<std::unique_ptr<Gemm>> create(const GemmProblem& problem, const GemmWeights& weights,
                                     Device& device) {
  const OneOpenMpThread one_thread;
  const dnnl::engine engine(dnnl::engine::kind::cpu, 0);
  const memory::desc packed_desc = packed_weights_desc(problem, engine);
  const size_t bias_bytes = problem.bias ? static_cast<size_t>(problem.n) * sizeof(float) : 0;
  WDE_ASSIGN_OR_RETURN(Storage storage,
                       device.allocate(align(packed_desc.get_size()) + bias_bytes));
  std::vector<std::byte> plain = plain_weights(problem, weights.weight);
  const memory::desc plain_desc({problem.k, problem.n}, data_type(problem.dtype),
                                memory::format_tag::ba);
  memory from(plain_desc, engine, plain.data());
  memory to(packed_desc, engine, storage.data());
  dnnl::stream stream(engine);
  dnnl::reorder(from, to).execute(stream, from, to);
  stream.wait();
  if (problem.bias) {
    std::memcpy(static_cast<std::byte*>(storage.data()) + align(packed_desc.get_size()),
                weights.bias.data, bias_bytes);
  }
  return std::unique_ptr<Gemm>(
      std::make_unique<OneDnnGemm>(problem, packed_desc, std::move(storage)));
}

}  // namespace

std::string onednn_gemm_refusal(const GemmProblem& problem, const Device& device,
                                const OpTable& ops) {
  if (device.kind() != "cpu") return fmt::format("it runs on cpu, not on {}", device.kind());
  if (problem.weights == WeightFormat::kInt8) return "its int8 products are not used";
  if (problem.weights == WeightFormat::kCodes) return "it does not multiply by codes";
  if (!ops.name.starts_with("avx512")) {
    return fmt::format("below AVX-512 its results depend on the batch (instruction set \"{}\")",
                       ops.name);
  }
  if (problem.dtype == DType::kF32 && problem.output_dtype != DType::kF32) {
    return "f32 to bf16 is not one of its products";
  }
  if (problem.dtype == DType::kBF16 && !ops.native_bf16) {
    return fmt::format("instruction set \"{}\" has no bf16 products", ops.name);
  }
  return {};
}

Result<std::unique_ptr<Gemm>> create_onednn_gemm(const GemmProblem& problem,
                                                 const GemmWeights& weights, Device& device,
                                                 const OpTable&) {
  try {
    return create(problem, weights, device);
  } catch (const dnnl::error& error) {
    return internal_error("oneDNN: {} (matrix of {} x {})", error.what(), problem.n, problem.k);
  }
}

}  // namespace wde::ops
