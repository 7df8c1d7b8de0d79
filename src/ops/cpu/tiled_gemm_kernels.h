// The inner part of the "tiled" GEMM, compiled once per instruction set: one block of rows times a
// range of weight panels. Knows nothing of threads, devices or how the weights got packed
// (ops/cpu/tiled_gemm.cc).
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "ops/ops.h"

namespace wde::ops {

// Packed weights [panel][k][panel_columns], columns beyond n being zero. f32: in order. bf16: the
// columns c and c + panel_columns / 2 share one 32-bit word (c in its lower half), so that a shift
// and a mask widen them.
struct TiledMatrix {
  int64_t n = 0;
  int64_t k = 0;
  const void* panels = nullptr;
  const float* bias = nullptr;  // [panels * panel_columns], zero where the problem has none
  DType dtype = DType::kF32;    // of the panels and of x
  DType output_dtype = DType::kF32;
  Activation activation = Activation::kNone;
};

// Rows [row_begin, row_begin + row_count) of x times panels [panel_begin, panel_end).
struct TiledBlock {
  int64_t row_begin = 0;
  int64_t row_count = 0;  // at most TiledKernels::block_rows(k)
  int64_t panel_begin = 0;
  int64_t panel_end = 0;
};

struct TiledKernels {
  int64_t panel_columns;
  int64_t tile_rows;
  // Rows of x whose widened copy fills a good part of L2.
  int64_t (*block_rows)(int64_t k);
  // Of one block; 64-byte aligned.
  size_t (*workspace_bytes)(int64_t k, int64_t rows);
  void (*run)(const TiledMatrix& matrix, const GemmArgs& args, const TiledBlock& block,
              void* workspace);
};

// The kernels of an op table's instruction set ("avx512", "avx2", "portable"), or null.
const TiledKernels* tiled_kernels(std::string_view isa);

}  // namespace wde::ops
