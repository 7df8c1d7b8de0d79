#include "ops/cpu/tiled_gemm.h"

#include <algorithm>
#include <cstring>
#include <utility>
#include <vector>

#include "ops/cpu/tiled_gemm_kernels.h"
#include "ops/parallel.h"

namespace wde::ops {
namespace {

constexpr int64_t kAlignmentBytes = 64;

int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

// Writes row `n` of the weights into its panel; TiledMatrix says the layout.
void pack_row(const TiledMatrix& matrix, int64_t panel_columns, int64_t n, const float* row,
              void* panels) {
  const int64_t begin = n / panel_columns * matrix.k * panel_columns;
  const int64_t column = n % panel_columns;
  if (matrix.dtype == DType::kF32) {
    float* to = static_cast<float*>(panels) + begin + column;
    for (int64_t k = 0; k < matrix.k; ++k) to[k * panel_columns] = row[k];
    return;
  }
  // The lower half of a 32-bit word comes first in memory on every machine we build for.
  const int64_t half = panel_columns / 2;
  bf16* to = static_cast<bf16*>(panels) + begin + 2 * (column % half) + column / half;
  for (int64_t k = 0; k < matrix.k; ++k) to[k * panel_columns] = to_bf16(row[k]);
}

void pack(const TiledMatrix& matrix, int64_t panel_columns, const TensorView& weight,
          void* panels) {
  std::vector<float> row(static_cast<size_t>(matrix.k));
  const auto stride_bytes =
      weight.row_stride * static_cast<int64_t>(dtype_size_bytes(weight.dtype));
  for (int64_t n = 0; n < matrix.n; ++n) {
    convert_elements(weight.as<const std::byte>() + n * stride_bytes, weight.dtype, row.data(),
                     DType::kF32, row.size());
    pack_row(matrix, panel_columns, n, row.data(), panels);
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
    return kernels_.workspace_bytes(matrix_.k, std::min(m, kernels_.block_rows(matrix_.k)));
  }

  // Rows first: a thread then reads its own rows only. Panels too, where there are too few rows to
  // keep all threads busy; each chunk of them copies its block of x anew.
  Split split_for(int64_t m, int threads) const {
    const int64_t most = kernels_.block_rows(matrix_.k);
    if (threads == 1) return {most, ceil_div(m, most), panels(), 1};
    const int64_t fair = ceil_div(ceil_div(m, threads), kernels_.tile_rows) * kernels_.tile_rows;
    const int64_t rows = std::min(most, std::max(fair, 4 * kernels_.tile_rows));
    const int64_t blocks = ceil_div(m, rows);
    const int64_t chunks = std::clamp<int64_t>(2 * threads / blocks, 1, panels());
    const int64_t chunk_panels = ceil_div(panels(), chunks);
    return {rows, blocks, chunk_panels, ceil_div(panels(), chunk_panels)};
  }

  GemmProblem problem_;
  const TiledKernels& kernels_;
  TiledMatrix matrix_;
  Storage storage_;  // panels, then the padded bias
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
  const TiledKernels& kernels = *tiled_kernels(ops.name);
  TiledMatrix matrix = {.n = problem.n,
                        .k = problem.k,
                        .dtype = problem.dtype,
                        .output_dtype = problem.output_dtype,
                        .activation = problem.activation};
  const int64_t columns = ceil_div(problem.n, kernels.panel_columns) * kernels.panel_columns;
  const auto element_bytes = static_cast<int64_t>(dtype_size_bytes(problem.dtype));
  const int64_t panel_bytes =
      ceil_div(columns * problem.k * element_bytes, kAlignmentBytes) * kAlignmentBytes;
  const auto bias_bytes = static_cast<size_t>(columns) * sizeof(float);
  WDE_ASSIGN_OR_RETURN(Storage storage,
                       device.allocate(static_cast<size_t>(panel_bytes) + bias_bytes));
  std::memset(storage.data(), 0, storage.size_bytes());
  void* bias = static_cast<std::byte*>(storage.data()) + panel_bytes;
  pack(matrix, kernels.panel_columns, weights.weight, storage.data());
  if (problem.bias) {
    std::memcpy(bias, weights.bias.data, static_cast<size_t>(problem.n) * sizeof(float));
  }
  matrix.panels = storage.data();
  matrix.bias = static_cast<const float*>(bias);
  return std::unique_ptr<Gemm>(
      std::make_unique<TiledGemm>(problem, kernels, matrix, std::move(storage)));
}

}  // namespace wde::ops
