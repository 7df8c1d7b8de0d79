// One block of device memory, sized once at load, out of which a forward pass takes its
// activations. Owned by one worker slot (or one CPU shard); not thread-safe.
#pragma once

#include <cstddef>

#include "base/status.h"
#include "tensor/tensor.h"

namespace wde {

class Arena {
 public:
  // Serves [base, base + capacity_bytes), 64-byte aligned, owned by the caller.
  Arena(void* base, size_t capacity_bytes);
  // Serves addresses without memory behind them and never runs out: a dry run of a forward pass on
  // it measures the workspace (high_water_bytes) that a real one needs.
  static Arena measuring();

  // Uninitialised, contiguous, 64-byte aligned. Running out is a bug in the plan: WDE_CHECK.
  TensorView allocate(DType dtype, const Shape& shape);
  size_t used_bytes() const { return used_bytes_; }
  size_t high_water_bytes() const { return high_water_bytes_; }

  // Gives back everything allocated since the mark was taken.
  class Mark {
   public:
    explicit Mark(Arena& arena) : arena_(arena), used_bytes_(arena.used_bytes_) {}
    ~Mark() { arena_.used_bytes_ = used_bytes_; }
    Mark(const Mark&) = delete;
    Mark& operator=(const Mark&) = delete;

   private:
    Arena& arena_;
    size_t used_bytes_;
  };

 private:
  std::byte* base_ = nullptr;
  size_t capacity_bytes_ = 0;
  size_t used_bytes_ = 0;
  size_t high_water_bytes_ = 0;
};

}  // namespace wde
