#include "ops/profile.h"

#include <algorithm>
#include <utility>

#include "ops/parallel.h"

namespace wde::ops {

void Profile::add(const std::string& op, double core_seconds, const OpWork& work) {
  const std::lock_guard lock(mutex_);
  auto entry = std::find_if(entries_.begin(), entries_.end(),
                            [&](const Entry& known) { return known.op == op; });
  if (entry == entries_.end()) entry = entries_.insert(entry, {.op = op});
  ++entry->calls;
  entry->core_seconds += core_seconds;
  entry->work.flops += work.flops;
  entry->work.bytes += work.bytes;
}

std::vector<Profile::Entry> Profile::take() {
  const std::lock_guard lock(mutex_);
  return std::exchange(entries_, {});
}

ProfileScope::~ProfileScope() {
  if (!on_) return;
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin_;
  context_.profile->add(op_, took.count() * thread_count(context_.pool), work_);
}

}  // namespace wde::ops
