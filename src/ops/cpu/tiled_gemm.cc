#include "ops/cpu/tiled_gemm.h"

#include <algorithm>
#include <cstring>
#include <utility>
#include <vector>

#include "ops/cpu/tiled_gemm_kernels.h"
#include "ops/parallel.h"
#include "ops/quantize.h"
#include "tensor/computed_rows.h"

namespace wde::ops {
namespace {

constexpr size_t kAlignmentBytes = 64;

int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

bool is_int8(const TiledMatrix& matrix) { return matrix.weights == WeightFormat::kInt8; }
bool is_codes(const TiledMatrix& matrix) { return matrix.weights == WeightFormat::kCodes; }

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
  // Calls use(k, where) for each of the row's elements.
  template <class Use>
  void each(int64_t count, const Use& use) const {
    int64_t group = first_;
    for (int64_t k = 0; k < count; group += group_stride_) {
      for (int64_t i = 0; i < group_ && k < count; ++i, ++k) use(k, group + i);
    }
  }

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
  column.each(static_cast<int64_t>(row.size()), [&](int64_t k, int64_t at) {
    panels[at] = quantized[static_cast<size_t>(k)];
    sum += quantized[static_cast<size_t>(k)];
  });
  *column_sum = *scale * static_cast<float>(sum);
}

// Brings the checkpoint's matrix into panels; TiledMatrix says the layout.
void pack(const TiledMatrix& matrix, const TiledKernels& kernels, const TensorView& weight,
          void* panels, const Int8Columns& columns) {
  std::vector<float> row(static_cast<size_t>(matrix.k));
  for (int64_t n = 0; n < matrix.n; ++n) {
    read_f32(weight.slice_rows(n, 1), row.data());
    const PackedColumn column(matrix, kernels, n);
    if (is_int8(matrix)) {
      pack_int8_row(row, column, static_cast<int8_t*>(panels), columns.scales + n,
                    columns.sums + n);
      continue;
    }
    if (matrix.dtype == DType::kBF16) {
      auto* to = static_cast<bf16*>(panels);
      column.each(matrix.k,
                  [&](int64_t k, int64_t at) { to[at] = to_bf16(row[static_cast<size_t>(k)]); });
    } else {
      auto* to = static_cast<float*>(panels);
      column.each(matrix.k, [&](int64_t k, int64_t at) { to[at] = row[static_cast<size_t>(k)]; });
    }
  }
}

// ------------------------------------------------------------------ codes

// Where the parts of a matrix of codes lie in its storage, 64-byte aligned.
struct CodeStorage {
  CodeStorage(const GemmProblem& problem, int64_t panels, int64_t panel_columns) {
    const CodeLayout& layout = problem.codes;
    const auto columns = static_cast<size_t>(panels * panel_columns);
    const size_t vectors_bytes = columns * static_cast<size_t>(layout.groups) * sizeof(float);
    take(columns * static_cast<size_t>(problem.k) * static_cast<size_t>(layout.bits) / 8);
    bias_offset = take(columns * sizeof(float));
    scales_offset = take(vectors_bytes);
    offsets_offset = take(layout.zero_code ? 0 : vectors_bytes);
    groups_offset = take(layout.group_of.size_bytes());
  }

  size_t bias_offset, scales_offset, offsets_offset, groups_offset;
  size_t bytes = 0;

 private:
  size_t take(size_t part_bytes) {
    const size_t at = bytes;
    bytes += (part_bytes + kAlignmentBytes - 1) / kAlignmentBytes * kAlignmentBytes;
    return at;
  }
};

// Brings one row of the checkpoint's matrix, an output, into the panels; TiledMatrix says the
// layout.
void pack_codes_row(const TiledMatrix& matrix, int64_t panel_columns, int64_t n,
                    std::span<const uint8_t> codes, std::byte* storage) {
  const int64_t panel = n / panel_columns, column = n % panel_columns;
  auto* to = reinterpret_cast<uint8_t*>(storage);
  if (matrix.code_bits == 8) {
    to += panel * matrix.k * panel_columns + column;
    for (const uint8_t code : codes) {
      *to = code;
      to += panel_columns;
    }
    return;
  }
  const int64_t half = panel_columns / 2;
  const int shift = column < half ? 0 : 4;
  to += panel * matrix.k * half + column % half;
  for (const uint8_t code : codes) {
    *to = static_cast<uint8_t>(*to | code << shift);
    to += half;
  }
}

// Fills the storage, which is zero, and says where its parts are.
void pack_codes(const GemmProblem& problem, const GemmWeights& weights, const CodeStorage& places,
                int64_t panel_columns, std::byte* storage, TiledMatrix* matrix) {
  const CodeLayout& layout = problem.codes;
  const auto groups = static_cast<size_t>(layout.groups);
  auto* scales = reinterpret_cast<float*>(storage + places.scales_offset);
  auto* offsets = reinterpret_cast<float*>(storage + places.offsets_offset);
  auto* group_of = reinterpret_cast<int32_t*>(storage + places.groups_offset);
  matrix->code_bits = layout.bits;
  matrix->groups = layout.groups;
  matrix->group_size = layout.group_size;
  matrix->zero_code = static_cast<float>(layout.zero_code.value_or(0));
  const ComputedRows& rows = *weights.weight.computed;
  const int64_t first = rows.first_row(weights.weight);
  std::vector<uint8_t> codes(static_cast<size_t>(problem.k));
  std::vector<float> row_scales(groups), row_offsets(groups);
  for (int64_t n = 0; n < problem.n; ++n) {
    rows.read_codes(first + n, codes.data(), row_scales.data(),
                    layout.zero_code ? nullptr : row_offsets.data());
    pack_codes_row(*matrix, panel_columns, n, codes, storage);
    const int64_t begin = n / panel_columns * layout.groups * panel_columns + n % panel_columns;
    for (int64_t g = 0; g < layout.groups; ++g) {
      scales[begin + g * panel_columns] = row_scales[static_cast<size_t>(g)];
      if (!layout.zero_code)
        offsets[begin + g * panel_columns] = row_offsets[static_cast<size_t>(g)];
    }
  }
  std::copy(layout.group_of.begin(), layout.group_of.end(), group_of);
  matrix->panels = storage;
  matrix->bias = reinterpret_cast<float*>(storage + places.bias_offset);
  matrix->code_scales = scales;
  if (!layout.zero_code) matrix->code_offsets = offsets;
  if (!layout.group_of.empty()) matrix->group_of = group_of;
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
    const int64_t share = std::max(ceil_div(m, threads), 4 * kernels_.tile_rows);
    // Equal ones, as many for each thread: a small rest would read all weights for its few rows.
    const int64_t goal = ceil_div(share, ceil_div(share, most));
    const int64_t rows = ceil_div(goal, kernels_.tile_rows) * kernels_.tile_rows;
    const int64_t blocks = ceil_div(m, rows);
    if (threads == 1) return {rows, blocks, panels(), 1};
    const int64_t chunks = std::clamp<int64_t>(2 * threads / blocks, 1, panels());
    const int64_t chunk_panels = ceil_div(panels(), chunks);
    return {rows, blocks, chunk_panels, ceil_div(panels(), chunk_panels)};
  }

  GemmProblem problem_;
  TiledKernels kernels_;
  TiledMatrix matrix_;
  Storage storage_;  // panels, the padded bias, the scales and column sums
};

Result<std::unique_ptr<Gemm>> create_of_codes(const GemmProblem& problem,
                                              const GemmWeights& weights, Device& device,
                                              const TiledKernels& kernels, TiledMatrix matrix) {
  const int64_t panels = ceil_div(problem.n, kernels.panel_columns);
  const CodeStorage places(problem, panels, kernels.panel_columns);
  WDE_ASSIGN_OR_RETURN(Storage storage, device.allocate(places.bytes));
  auto* bytes = static_cast<std::byte*>(storage.data());
  std::memset(bytes, 0, storage.size_bytes());
  pack_codes(problem, weights, places, kernels.panel_columns, bytes, &matrix);
  if (problem.bias) {
    std::memcpy(bytes + places.bias_offset, weights.bias.data,
                static_cast<size_t>(problem.n) * sizeof(float));
  }
  GemmProblem kept = problem;
  kept.codes.group_of = {};  // the checkpoint's may go
  return std::unique_ptr<Gemm>(
      std::make_unique<TiledGemm>(kept, kernels, matrix, std::move(storage)));
}

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
  if (is_codes(matrix)) return create_of_codes(problem, weights, device, kernels, matrix);
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
