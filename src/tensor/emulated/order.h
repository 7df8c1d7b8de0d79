// Happens-before for the emulated device: which of the host and the streams has seen which
// operation, and whether two accesses of the same bytes are ordered. Guarded by its owner's mutex;
// must not know what the operations do.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tensor/device.h"

namespace wde::emulated {

// Actors are the host, as one whole, and every stream.
constexpr size_t kHostActor = 0;

// For each actor, how many of its operations have happened before some point.
class VectorClock {
 public:
  uint64_t operator[](size_t actor) const { return actor < counts_.size() ? counts_[actor] : 0; }
  uint64_t tick(size_t actor);  // one more operation of `actor`; returns its number
  void join(const VectorClock& other);

 private:
  std::vector<uint64_t> counts_;
};

// One operation, as later ones remember it.
struct Access {
  size_t actor;
  uint64_t number;   // of the operation, in its actor's clock
  std::string name;  // `launch "layer_norm" on stream 2`
  std::shared_ptr<ErrorScope> scope;

  bool happened_before(const VectorClock& now) const { return number <= now[actor]; }
};

struct AccessRange {
  uintptr_t begin;
  size_t size_bytes;
  bool written;
};

// The last accesses of every byte: its last write, and the reads since then that no later read
// covers.
class AccessHistory {
 public:
  // Adds the access of a range, and returns an earlier one, if any, that conflicts with it and did
  // not happen before `now`, the clock of the new one.
  std::shared_ptr<const Access> add(const AccessRange& range, std::shared_ptr<const Access> access,
                                    const VectorClock& now);
  void forget(uintptr_t begin, size_t size_bytes);

 private:
  struct Segment {
    uintptr_t end;
    std::shared_ptr<const Access> write;  // may be null
    std::vector<std::shared_ptr<const Access>> reads;
  };
  using Segments = std::map<uintptr_t, Segment>;  // by first address; disjoint

  void split(uintptr_t at);
  void fill_gaps(uintptr_t begin, uintptr_t end);

  Segments segments_;
};

}  // namespace wde::emulated
