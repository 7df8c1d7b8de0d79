// The rows of a pass, all at once or chunk by chunk: what makes a long text take little workspace
// and lets other batches pass between its chunks. Rows are computed one like the other, however
// many at once, so the bits are the same.
#pragma once

#include <algorithm>
#include <cstdint>

#include "ops/op_context.h"
#include "tensor/tensor.h"

namespace wde::layers {

// Rows [begin, begin + count) of a batch's tokens.
struct Rows {
  int64_t begin = 0, count = 0;

  TensorView of(const TensorView& all) const { return all.slice_rows(begin, count); }
};

// compute(rows) over the rows [0, count), as the context says; gives back what each call took from
// the arena.
template <class Compute>
void for_each_chunk(ops::OpContext& context, int64_t count, const Compute& compute) {
  const int64_t chunk = context.chunk_rows > 0 ? context.chunk_rows : count;
  for (int64_t begin = 0; begin < count; begin += chunk) {
    {
      const Arena::Mark mark(context.arena);
      compute(Rows{begin, std::min(chunk, count - begin)});
    }
    if (context.between_chunks != nullptr) (*context.between_chunks)();
  }
}

}  // namespace wde::layers
