#include "tensor/emulated/core.h"

#include <algorithm>
#include <utility>

namespace wde::emulated {
namespace {

uintptr_t to_integer(const void* address) { return reinterpret_cast<uintptr_t>(address); }

// True for the operation that an armed fault has counted down to.
bool strikes(std::optional<EmulatedFault>& fault, std::string_view name) {
  if (!fault || fault->nth == 0) return false;
  if (!fault->name.empty() && fault->name != name) return false;
  return --fault->nth == 0;
}

}  // namespace

Core::Core(EmulatedOptions options, std::unique_ptr<Memory> memory)
    : max_copy_steps_(std::max(1, options.max_copy_steps)),
      memory_(std::move(memory)),
      clocks_(1),
      faults_(std::move(options.faults)),
      scheduler_(options.seed) {}

Result<void*> Core::allocate(size_t size_bytes, bool host_visible) {
  const std::lock_guard lock(mutex_);
  return host_visible ? memory_->allocate_host(size_bytes) : memory_->allocate_device(size_bytes);
}

// For the order of things, releasing is the host writing the whole block.
void Core::release(void* address, size_t size_bytes, bool host_visible) {
  const std::lock_guard lock(mutex_);
  if (size_bytes != 0) {
    const AccessRange range{to_integer(address), size_bytes, true};
    auto access = std::make_shared<Access>();
    access->actor = kHostActor;
    access->number = clocks_[kHostActor].tick(kHostActor);
    if (const auto earlier = history_.add(range, access, clocks_[kHostActor])) {
      earlier->scope->fail(race("releasing the memory", *earlier, range));
    }
    history_.forget(range.begin, size_bytes);
  }
  host_visible ? memory_->release_host(address) : memory_->release_device(address);
}

MemoryInfo Core::memory_info() const {
  const std::lock_guard lock(mutex_);
  const size_t total = memory_->total_bytes();
  return {.total_bytes = total, .free_bytes = total - memory_->device_bytes()};
}

EmulatedStats Core::stats() const {
  const std::lock_guard lock(mutex_);
  EmulatedStats stats = stats_;
  stats.device_bytes = memory_->device_bytes();
  stats.host_bytes = memory_->host_bytes();
  return stats;
}

void Core::set_faults(EmulatedFaults faults) {
  const std::lock_guard lock(mutex_);
  faults_ = std::move(faults);
}

size_t Core::add_actor() {
  const std::lock_guard lock(mutex_);
  clocks_.emplace_back();
  return clocks_.size() - 1;
}

Core::Checked Core::check_copy(const OperationLabel& label, const DeviceSpan& device,
                               const HostSpan& host) {
  const std::lock_guard lock(mutex_);
  ++stats_.copies;
  const bool fails = strikes(faults_.copy, label.kernel);
  Result<Memory::Backing> backing = memory_->resolve_device(
      fmt::format("{}: {}", label.name, device.what), device.address, device.size_bytes);
  if (!backing.ok()) return {.error = violations_.add(backing.status()), .backings = {}};
  Status host_status = memory_->check_host(fmt::format("{}: {}", label.name, host.what),
                                           host.address, host.size_bytes);
  if (!host_status.ok()) return {.error = violations_.add(host_status), .backings = {}};
  Status order =
      check_order(label, {{to_integer(device.address), device.size_bytes, device.written},
                          {to_integer(host.address), host.size_bytes, host.written}});
  if (order.ok() && fails) order = device_error("{}: failed as a test asked", label.name);
  return {.error = std::move(order), .backings = {std::move(backing).value()}};
}

Core::Checked Core::check_launch(const OperationLabel& label,
                                 const std::vector<DeviceSpan>& spans) {
  const std::lock_guard lock(mutex_);
  ++stats_.launches;
  const bool fails = strikes(faults_.launch, label.kernel);
  Checked checked;
  std::vector<AccessRange> ranges;
  for (const DeviceSpan& span : spans) {
    Result<Memory::Backing> backing = memory_->resolve_device(
        fmt::format("{}: {}", label.name, span.what), span.address, span.size_bytes);
    if (!backing.ok()) return {.error = violations_.add(backing.status()), .backings = {}};
    checked.backings.push_back(std::move(backing).value());
    ranges.push_back({to_integer(span.address), span.size_bytes, span.written});
  }
  checked.error = check_order(label, ranges);
  if (checked.error.ok() && fails) {
    checked.error = device_error("{}: failed as a test asked", label.name);
  }
  return checked;
}

Status Core::check_order(const OperationLabel& label, const std::vector<AccessRange>& ranges) {
  VectorClock& now = clocks_[label.actor];
  now.join(clocks_[kHostActor]);  // the host has seen what it has seen when it enqueues
  auto access = std::make_shared<Access>();
  access->actor = label.actor;
  access->number = now.tick(label.actor);
  access->name = label.name;
  access->scope = label.scope;
  Status first;
  for (const AccessRange& range : ranges) {
    const auto earlier = history_.add(range, access, now);
    if (earlier != nullptr && first.ok()) first = race(label.name, *earlier, range);
  }
  return first;
}

Status Core::race(std::string_view later, const Access& earlier, const AccessRange& range) {
  return violations_.add(
      device_error("race: {} and {} on the {} bytes at {}, without an event between them", later,
                   earlier.name, range.size_bytes, reinterpret_cast<const void*>(range.begin)));
}

VectorClock Core::clock_of(size_t actor) {
  const std::lock_guard lock(mutex_);
  clocks_[actor].join(clocks_[kHostActor]);
  return clocks_[actor];
}

void Core::join_stream(size_t actor, const VectorClock& clock) {
  const std::lock_guard lock(mutex_);
  clocks_[actor].join(clock);
}

void Core::join_host(const VectorClock& clock) { join_stream(kHostActor, clock); }

bool Core::admit_wait() {
  const std::lock_guard lock(mutex_);
  ++stats_.waits;
  return faults_.drop_wait == 0 || --faults_.drop_wait != 0;
}

}  // namespace wde::emulated
