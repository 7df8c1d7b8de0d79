// What every op is given: where to enqueue, where to take workspace from, and how many CPU threads
// may work on it.
#pragma once

#include <cstdint>
#include <functional>

#include "base/thread_pool.h"
#include "tensor/arena.h"
#include "tensor/device.h"

namespace wde::ops {

struct OpTable;
class Profile;

// Made by the runner for one forward pass of one batch (or CPU shard); lives on the device thread.
struct OpContext {
  Stream& stream;
  const OpTable& ops;
  Arena& arena;
  // CPU only: threads that one op may split over. Null means the calling thread alone (a shard that
  // has a core of its own). Results do not depend on it.
  ThreadPool* pool = nullptr;
  // A dry run that only measures workspace: allocate as in earnest, compute nothing.
  bool measuring = false;
  // A long text: layers compute so many rows at a time, a multiple of attention::kQueryBlock, and
  // call `between_chunks` (null: nothing) on the device thread behind each time. 0: all rows at
  // once. Results do not depend on it. Only layers/row_chunks.h reads these two.
  int64_t chunk_rows = 0;
  const std::function<void()>* between_chunks = nullptr;
  // Where every op notes its time and work; null for no profile.
  Profile* profile = nullptr;
};

}  // namespace wde::ops
