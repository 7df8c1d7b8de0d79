// The inner part of the "tiled" GEMM, compiled once per instruction set: one block of rows times a
// range of weight panels. Knows nothing of threads, devices or how the weights got packed
// (ops/cpu/tiled_gemm.cc).
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "ops/gemm.h"

namespace wde::ops {

// Packed weights [panel][k / k_group][panel_columns][k_group], columns beyond n and values beyond k
// being zero: k_group values of k side by side are what one instruction sums. Where the kernels
// split words (bf16 with k_group 1), the columns c and c + panel_columns / 2 share a 32-bit word, c
// in its lower half, so that a shift and a mask widen them.
struct TiledMatrix {
  int64_t n = 0;
  int64_t k = 0;
  const void* panels = nullptr;
  const float* bias = nullptr;  // [panels * panel_columns], zero where the problem has none
  // Of int8 weights, each [panels * panel_columns]: w = scale * s8, and the sums of w over k.
  const float* scales = nullptr;
  const float* column_sums = nullptr;
  // Of codes: `panels` are then [panel][k][panel_columns] codes of so many bits; of 4, the columns
  // c and c + panel_columns / 2 share a byte, c in its lower half. Scales and offsets are
  // [panel][groups][panel_columns], zero for columns beyond n; offsets are null where `zero_code`
  // makes them.
  int code_bits = 0;
  int64_t groups = 0;
  int64_t group_size = 0;
  const int32_t* group_of = nullptr;  // [k]; null: k / group_size
  float zero_code = 0;
  const float* code_scales = nullptr;
  const float* code_offsets = nullptr;
  DType dtype = DType::kF32;  // of x
  DType output_dtype = DType::kF32;
  WeightFormat weights = WeightFormat::kDType;
  Activation activation = Activation::kNone;
};

// Rows [row_begin, row_begin + row_count) of x times panels [panel_begin, panel_end).
struct TiledBlock {
  int64_t row_begin = 0;
  int64_t row_count = 0;  // at most TiledKernels::block_rows
  int64_t panel_begin = 0;
  int64_t panel_end = 0;
};

// For matrices of one kind.
struct TiledKernels {
  int64_t panel_columns;
  int64_t tile_rows;
  int64_t k_group;
  bool splits_words;
  // The most rows of x that share the panels that are read: of short rows as many as fill a good
  // part of L2 in the form in which they are multiplied, of long ones a part of k does.
  int64_t block_rows;
  // Of one block of so many rows; 64-byte aligned.
  size_t (*workspace_bytes)(const TiledMatrix& matrix, int64_t rows);
  void (*run)(const TiledMatrix& matrix, const GemmArgs& args, const TiledBlock& block,
              void* workspace);
};

// By dtypes, weights and k of the matrix; its pointers may be null still.
using ChooseTiledKernels = TiledKernels(const TiledMatrix& matrix);

// Of an op table's instruction set ("avx2", …), or null where there are none.
ChooseTiledKernels* tiled_kernels(std::string_view isa);

}  // namespace wde::ops
