// A tile of kRows x kQueries sums stays in registers while the columns run: per step kRows +
// kQueries vectors are loaded for kRows * kQueries multiply-adds. Many queries: 4 x 3 (12 of 16
// registers), where the four rows stay in L1 while all queries pass. What is left over, and a
// single query, goes by 8 x 1: eight independent chains of adds, so that memory and not latency is
// the limit.
#include "retrieval/score_kernels.h"

#include <cstring>

#include "ops/cpu/highway_targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "retrieval/score_kernels.cc"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"

// The loops over a tile must vanish, or its sums would live in memory.
#ifndef WDE_UNROLL_TILE
#define WDE_UNROLL_TILE HWY_UNROLL(8)
#endif

HWY_BEFORE_NAMESPACE();
namespace wde::retrieval {
namespace HWY_NAMESPACE {
namespace {

namespace hn = hwy::HWY_NAMESPACE;

using D = hn::ScalableTag<float>;
using V = hn::Vec<D>;
constexpr D kD;
constexpr int64_t kLanes = static_cast<int64_t>(hn::MaxLanes(kD));

// --- Storages: kLanes values as f32 ---
struct F32Rows {
  using T = float;
  static HWY_INLINE V load(const T* from, V) { return hn::LoadU(kD, from); }
};

struct BF16Rows {
  using T = uint16_t;
  static HWY_INLINE V load(const T* from, V) {
    const hn::RebindToUnsigned<D> words;
    const hn::Rebind<uint16_t, D> halves;
    return hn::BitCast(kD, hn::ShiftLeft<16>(hn::PromoteTo(words, hn::LoadU(halves, from))));
  }
};

struct Int8Rows {
  using T = int8_t;
  static HWY_INLINE V load(const T* from, V scale) {
    const hn::RebindToSigned<D> words;
    const hn::Rebind<int8_t, D> bytes;
    return hn::Mul(scale, hn::ConvertTo(kD, hn::PromoteTo(words, hn::LoadU(bytes, from))));
  }
};

// --- Reductions ---
struct Dot {
  static HWY_INLINE V add(V row, V query, V sum) { return hn::MulAdd(row, query, sum); }
};

struct SquaredDistance {
  static HWY_INLINE V add(V row, V query, V sum) {
    const V difference = hn::Sub(row, query);
    return hn::MulAdd(difference, difference, sum);
  }
};

struct AbsoluteDistance {
  static HWY_INLINE V add(V row, V query, V sum) {
    return hn::Add(sum, hn::Abs(hn::Sub(row, query)));
  }
};

// The sums of a tile: a local array of whoever runs it, so that it stays in registers.
template <int kRows, int kQueries>
using Sums = V[kRows][kQueries];

template <class Rows, class Reduction, int kRows, int kQueries>
HWY_INLINE void step(const typename Rows::T* const (&rows)[kRows], const V (&scales)[kRows],
                     const float* const (&queries)[kQueries], int64_t column,
                     Sums<kRows, kQueries>& sums) {
  V query[kQueries];
  WDE_UNROLL_TILE
  for (int q = 0; q < kQueries; ++q) query[q] = hn::LoadU(kD, queries[q] + column);
  WDE_UNROLL_TILE
  for (int r = 0; r < kRows; ++r) {
    const V row = Rows::load(rows[r] + column, scales[r]);
    WDE_UNROLL_TILE
    for (int q = 0; q < kQueries; ++q) sums[r][q] = Reduction::add(row, query[q], sums[r][q]);
  }
}

// The last columns of a few rows, fewer than a vector, filled up with zeros.
template <class T, int kRows>
struct TailCopies {
  T values[kRows][kLanes] = {};
  const T* pointers[kRows];

  TailCopies(const T* const (&rows)[kRows], int64_t column, int64_t count) {
    for (int r = 0; r < kRows; ++r) {
      std::memcpy(values[r], rows[r] + column, static_cast<size_t>(count) * sizeof(T));
      pointers[r] = values[r];
    }
  }
};

template <class Rows, class Reduction, int kRows, int kQueries>
HWY_NOINLINE void run_tile(const ScoreBlock& block, int64_t row, int64_t query) {
  using T = typename Rows::T;
  const int64_t columns = block.rows.columns;
  const T* rows[kRows];
  const float* queries[kQueries];
  V scales[kRows];
  Sums<kRows, kQueries> sums;
  WDE_UNROLL_TILE
  for (int r = 0; r < kRows; ++r) {
    rows[r] = static_cast<const T*>(block.rows.data) + (row + r) * columns;
    scales[r] =
        block.rows.scales == nullptr ? hn::Zero(kD) : hn::Set(kD, block.rows.scales[row + r]);
    WDE_UNROLL_TILE
    for (int q = 0; q < kQueries; ++q) sums[r][q] = hn::Zero(kD);
  }
  for (int q = 0; q < kQueries; ++q) queries[q] = block.queries + (query + q) * columns;
  int64_t column = 0;
  for (; column + kLanes <= columns; column += kLanes) {
    step<Rows, Reduction, kRows, kQueries>(rows, scales, queries, column, sums);
  }
  if (column < columns) {
    const TailCopies<T, kRows> row_tails(rows, column, columns - column);
    const TailCopies<float, kQueries> query_tails(queries, column, columns - column);
    step<Rows, Reduction, kRows, kQueries>(row_tails.pointers, scales, query_tails.pointers, 0,
                                           sums);
  }
  WDE_UNROLL_TILE
  for (int q = 0; q < kQueries; ++q) {
    float* out = block.out + (query + q) * block.rows.count + row;
    WDE_UNROLL_TILE
    for (int r = 0; r < kRows; ++r) out[r] = hn::GetLane(hn::SumOfLanes(kD, sums[r][q]));
  }
}

// Queries one by one over rows [begin, end).
template <class Rows, class Reduction>
void run_single(const ScoreBlock& block, int64_t query, int64_t begin, int64_t end) {
  int64_t row = begin;
  for (; row + 8 <= end; row += 8) run_tile<Rows, Reduction, 8, 1>(block, row, query);
  for (; row < end; ++row) run_tile<Rows, Reduction, 1, 1>(block, row, query);
}

template <class Rows, class Reduction>
void run(const ScoreBlock& block) {
  const int64_t tiled_queries = block.query_count / 3 * 3;
  const int64_t tiled_rows = tiled_queries > 0 ? block.rows.count / 4 * 4 : 0;
  for (int64_t row = 0; row < tiled_rows; row += 4) {
    for (int64_t query = 0; query < tiled_queries; query += 3) {
      run_tile<Rows, Reduction, 4, 3>(block, row, query);
    }
  }
  for (int64_t query = 0; query < tiled_queries; ++query) {
    run_single<Rows, Reduction>(block, query, tiled_rows, block.rows.count);
  }
  for (int64_t query = tiled_queries; query < block.query_count; ++query) {
    run_single<Rows, Reduction>(block, query, 0, block.rows.count);
  }
}

template <class Rows>
ScoreKernel by_reduction(Reduction reduction) {
  switch (reduction) {
    case Reduction::kDot:
      return run<Rows, Dot>;
    case Reduction::kSquaredDistance:
      return run<Rows, SquaredDistance>;
    case Reduction::kAbsoluteDistance:
      return run<Rows, AbsoluteDistance>;
  }
  return nullptr;
}

}  // namespace

ScoreKernel kernel(VectorStorage storage, Reduction reduction) {
  switch (storage) {
    case VectorStorage::kF32:
      return by_reduction<F32Rows>(reduction);
    case VectorStorage::kBF16:
      return by_reduction<BF16Rows>(reduction);
    case VectorStorage::kInt8:
      return by_reduction<Int8Rows>(reduction);
  }
  return nullptr;
}

}  // namespace HWY_NAMESPACE
}  // namespace wde::retrieval
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace wde::retrieval {

ScoreKernel score_kernel(std::string_view isa, VectorStorage storage, Reduction reduction) {
#if HWY_TARGETS & HWY_AVX3_DL
  if (isa == "avx512_bf16") return N_AVX3_DL::kernel(storage, reduction);
#endif
#if HWY_TARGETS & HWY_AVX3
  if (isa == "avx512_vnni" || isa == "avx512") return N_AVX3::kernel(storage, reduction);
#endif
#if HWY_TARGETS & HWY_AVX2
  if (isa == "avx2") return N_AVX2::kernel(storage, reduction);
#endif
#if HWY_TARGETS & HWY_NEON
  if (isa.starts_with("neon")) return N_NEON::kernel(storage, reduction);
#endif
  if (isa == "portable") return WDE_HWY_PORTABLE::kernel(storage, reduction);
  if (isa == "reference") return reference_score_kernel(storage, reduction);
  return nullptr;
}

}  // namespace wde::retrieval
#endif
