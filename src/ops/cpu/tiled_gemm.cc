#include "ops/cpu/tiled_gemm.h"

#include <algorithm>
#include <cstring>
#include <utility>
#include <vector>

#include "ops/cpu/tiled_gemm_kernels.h"
#include "ops/parallel.h"
#include "ops/quantize.h"

namespace wde::ops {
namespace {

constexpr size_t kAlignmentBytes = 64;

int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

bool is_int8(const TiledMatrix& matrix) { return matrix.weights == WeightFormat::kInt8; }

int64_t panel_elements(const TiledMatrix& matrix, const TiledKernels& kernels) {
  return ceil_div(matrix.k, kernels.k_group) * kernels.k_group * kernels.panel_columns;
}

size_t element_bytes(const TiledMatrix& matrix) {
  return is_int8(matrix) ? 1 : dtype_size_bytes(matrix.dtype);
}

// Where the elements of one row of the checkpoint's matrix, an output, lie among the panels.
class PackedColumn {
 public:
  PackedColumn(const TiledMatrix& matrix, const TiledKernels& kernels, int64_t n)
      : group_(kernels.k_group), group_stride_(kernels.panel_columns * kernels.k_group) {
    const int64_t column = n % kernels.panel_columns;
    first_ = n / kernels.panel_columns * panel_elements(matrix, kernels);
    if (kernels.splits_words) {
      // The lower half of a 32-bit word comes first in memory on every machine we build for.
      const int64_t half = kernels.panel_columns / 2;
      first_ += 2 * (column % half) + column / half;
    } else {
      first_ += column * group_;
    }
  }
  int64_t at(int64_t k) const { return first_ + k / group_ * group_stride_ + k % group_; }

 private:
  int64_t group_;
  int64_t group_stride_;
  int64_t first_;
};

// Scales and column sums as TiledMatrix has them.
struct Int8Columns {
  float* scales = nullptr;
  float* sums = nullptr;
};

void pack_int8_row(std::span<const float> row, const PackedColumn& column, int8_t* panels,
                   float* scale, float* column_sum) {
  std::vector<int8_t> quantized(row.size());
  *scale = quantize_weights(row, quantized.data());
  int64_t sum = 0;
  for (size_t k = 0; k < row.size(); ++k) {
    panels[column.at(static_cast<int64_t>(k))] = quantized[k];
    sum += quantized[k];
  }
  *column_sum = *scale * static_cast<float>(sum);
}

// Brings the checkpoint's matrix into panels; TiledMatrix says the layout.
void pack(const TiledMatrix& matrix, const TiledKernels& kernels, const TensorView& weight,
          void* panels, const Int8Columns& columns) {
  std::vector<float> row(static_cast<size_t>(matrix.k));
  const auto stride_bytes =
      weight.row_stride * static_cast<int64_t>(dtype_size_bytes(weight.dtype));
  for (int64_t n = 0; n < matrix.n; ++n) {
    convert_elements(weight.as<const std::byte>() + n * stride_bytes, weight.dtype, row.data(),
                     DType::kF32, row.size());
    const PackedColumn column(matrix, kernels, n);
    if (is_int8(matrix)) {
      pack_int8_row(row, column, static_cast<int8_t*>(panels), columns.scales + n,
                    columns.sums + n);
      continue;
    }
    for (int64_t k = 0; k < matrix.k; ++k) {
      const float value = row[static_cast<size_t>(k)];
      if (matrix.dtype == DType::kBF16) {
        static_cast<bf16*>(panels)[column.at(k)] = to_bf16(value);
      } else {
        static_cast<float*>(panels)[column.at(k)] = value;
      }
    }
  }
}

// How one product is cut into tasks: blocks of rows times chunks of panels.
struct Split {
  int64_t block_rows;
  int64_t blocks;
  int64_t chunk_panels;
  int64_t chunks;
};

class TiledGemm final : public Gemm {
 public:
  TiledGemm(const GemmProblem& problem, const TiledKernels& kernels, const TiledMatrix& matrix,
            Storage storage)
      : problem_(problem), kernels_(kernels), matrix_(matrix), storage_(std::move(storage)) {}

  const GemmProblem& problem() const override { return problem_; }
  std::string_view name() const override { return "tiled"; }
  size_t weight_bytes() const override { return storage_.size_bytes(); }

  size_t workspace_bytes(int64_t m, int threads) const override {
    return slot_bytes(m) * static_cast<size_t>(threads);
  }

  void run(OpContext& context, const GemmArgs& args, void* workspace) const override {
    const int64_t m = args.x.rows();
    const int threads = thread_count(context.pool);
    const Split split = split_for(m, threads);
    const auto task = [&](size_t index, int thread) {
      const auto block = static_cast<int64_t>(index) / split.chunks;
      const int64_t chunk = static_cast<int64_t>(index) % split.chunks;
      const int64_t row = block * split.block_rows;
      const TiledBlock part = {.row_begin = row,
                               .row_count = std::min(split.block_rows, m - row),
                               .panel_begin = chunk * split.chunk_panels,
                               .panel_end = std::min((chunk + 1) * split.chunk_panels, panels())};
      void* slot = static_cast<std::byte*>(workspace) + slot_bytes(m) * static_cast<size_t>(thread);
      kernels_.run(matrix_, args, part, slot);
    };
    const auto count = static_cast<size_t>(split.blocks * split.chunks);
    if (threads > 1 && count > 1) return context.pool->parallel_for(count, task);
    for (size_t i = 0; i < count; ++i) task(i, 0);
  }

 private:
  int64_t panels() const { return ceil_div(matrix_.n, kernels_.panel_columns); }

  // One thread's workspace.
  size_t slot_bytes(int64_t m) const {
    return kernels_.workspace_bytes(matrix_, std::min(m, kernels_.block_rows));
  }

  // Rows first: a thread then reads its own rows only. Panels too, where there are too few rows to
  // keep all threads busy; each chunk of them copies its block of x anew.
  Split split_for(int64_t m, int threads) const {
    const int64_t most = kernels_.block_rows;
    if (threads == 1) return {most, ceil_div(m, most), panels(), 1};
    const int64_t fair = ceil_div(ceil_div(m, threads), kernels_.tile_rows) * kernels_.tile_rows;
    const int64_t rows = std::min(most, std::max(fair, 4 * kernels_.tile_rows));
    const int64_t blocks = ceil_div(m, rows);
    const int64_t chunks = std::clamp<int64_t>(2 * threads / blocks, 1, panels());
    const int64_t chunk_panels = ceil_div(panels(), chunks);
    return {rows, blocks, chunk_panels, ceil_div(panels(), chunk_panels)};
  }

  GemmProblem problem_;
  TiledKernels kernels_;
  TiledMatrix matrix_;
  Storage storage_;  // panels, the padded bias, the scales and column sums
};

}  // namespace

std::string tiled_gemm_refusal(const GemmProblem&, const Device& device, const OpTable& ops) {
  if (device.kind() != "cpu") return fmt::format("it runs on cpu, not on {}", device.kind());
  if (tiled_kernels(ops.name) == nullptr) {
    return fmt::format("it has no kernels for instruction set \"{}\"", ops.name);
  }
  return {};
}

Result<std::unique_ptr<Gemm>> create_tiled_gemm(const GemmProblem& problem,
                                                const GemmWeights& weights, Device& device,
                                                const OpTable& ops) {
  TiledMatrix matrix = {.n = problem.n,
                        .k = problem.k,
                        .dtype = problem.dtype,
                        .output_dtype = problem.output_dtype,
                        .weights = problem.weights,
                        .activation = problem.activation};
  const TiledKernels kernels = tiled_kernels(ops.name)(matrix);
  const int64_t panels = ceil_div(problem.n, kernels.panel_columns);
  const size_t panel_bytes =
      static_cast<size_t>(panels * panel_elements(matrix, kernels)) * element_bytes(matrix);
  const size_t bias_offset_bytes =
      (panel_bytes + kAlignmentBytes - 1) / kAlignmentBytes * kAlignmentBytes;
  const auto columns = static_cast<size_t>(panels * kernels.panel_columns);
  WDE_ASSIGN_OR_RETURN(
      Storage storage,
      device.allocate(bias_offset_bytes + (is_int8(matrix) ? 3 : 1) * columns * sizeof(float)));
  std::memset(storage.data(), 0, storage.size_bytes());
  auto* bias =
      reinterpret_cast<float*>(static_cast<std::byte*>(storage.data()) + bias_offset_bytes);
  Int8Columns int8;
  if (is_int8(matrix)) int8 = {bias + columns, bias + 2 * columns};
  pack(matrix, kernels, weights.weight, storage.data(), int8);
  if (problem.bias) {
    std::memcpy(bias, weights.bias.data, static_cast<size_t>(problem.n) * sizeof(float));
  }
  matrix.panels = storage.data();
  matrix.bias = bias;
  matrix.scales = int8.scales;
  matrix.column_sums = int8.sums;
  return std::unique_ptr<Gemm>(
      std::make_unique<TiledGemm>(problem, kernels, matrix, std::move(storage)));
}

}  // namespace wde::ops
