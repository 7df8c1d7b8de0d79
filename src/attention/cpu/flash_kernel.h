// Flash attention on a CPU: one kernel per instruction set, between the plan (flash.cc, plain C++)
// and the vectors (flash_kernel.cc). It knows nothing of devices, batches or threads.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "attention/sequence_rows.h"
#include "base/dtype.h"

namespace wde::attention {

inline constexpr int kMaxFlashHeadSize = 256;

// Queries that share one pass over a sequence's keys: enough that widening or copying a key (about
// one cycle per vector) vanishes beside its use, few enough that their state stays in L2.
inline constexpr int64_t kFlashChunkQueries = 256;

// One head's slice of a packed matrix is at data + head * head_size, its rows row_stride elements
// apart.
struct FlashOperand {
  void* data = nullptr;
  int64_t row_stride = 0;
};

// A row's column radius + clamp(i - j, -radius, radius) is that of query i and key j.
template <class Element>
struct FlashDistanceTable {
  const Element* data = nullptr;
  int64_t row_stride = 0;
  int64_t radius = -1;  // -1: there is no table
};

// As Disentangled in attention.h.
struct FlashPositions {
  int64_t count = 0;  // rows of keys and of queries; 0: no such terms
  bool has_keys = false, has_queries = false;
  FlashOperand keys, queries;
  FlashDistanceTable<int32_t> rows;
};

// What every work item of a batch shares.
struct FlashBatch {
  DType dtype = DType::kF32;
  int kv_heads = 1;
  int group = 1;  // query heads per key/value head
  int head_size = 0;
  // The query at i sees keys [i - window_left, i + window_right]; both >= 0, INT32_MAX for no
  // limit.
  int64_t window_left = INT32_MAX, window_right = INT32_MAX;
  float scale = 1.0f;
  float softcap = 0;  // 0: none
  FlashDistanceTable<float> distance_bias;
  FlashPositions positions;
  FlashOperand q, k, v, out;
  int64_t first_out_row = 0;  // the row of q that the first of `out` belongs to
};

// The unit of work: some queries of one sequence, for all query heads of one key/value head.
struct FlashItem {
  SequenceRows sequence;
  // At most kFlashChunkQueries of the sequence's own; query_begin is a multiple of kQueryBlock, and
  // so is query_end, or it is the sequence's.
  int64_t query_begin = 0, query_end = 0;
  int kv_head = 0;
};

struct FlashKernel {
  std::string_view instruction_set;  // ops::OpTable::name
  // Scratch memory of one thread for sequences of up to max_tokens, to be 64-byte aligned; a
  // multiple of 64. Reads no operand.
  size_t (*workspace_bytes)(const FlashBatch& batch, int64_t max_tokens);
  // Writes out for the item's queries. The bits of a query's row depend on its sequence alone.
  void (*run)(const FlashBatch& batch, const FlashItem& item, void* workspace);
};

// Those compiled into this binary; whether the CPU can run one is the op registry's business.
std::span<const FlashKernel> flash_kernels();

}  // namespace wde::attention
