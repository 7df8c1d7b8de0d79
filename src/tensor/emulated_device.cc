#include "tensor/emulated_device.h"

#include <utility>

#include "tensor/emulated/core.h"

namespace wde {
namespace emulated {
namespace {

class EmulatedEvent final : public Event {
 public:
  explicit EmulatedEvent(const Core& core) : core_(&core) {}

  // The latest recording, with what had happened before it; no recording yet: null.
  struct Latest {
    std::shared_ptr<Recording> recording;
    VectorClock clock;
  };
  void set_latest(Latest latest) {
    const std::lock_guard lock(mutex_);
    latest_ = std::move(latest);
  }
  Latest latest() const {
    const std::lock_guard lock(mutex_);
    return latest_;
  }
  bool belongs_to(const Core& core) const { return core_ == &core; }

 private:
  const Core* core_;
  mutable std::mutex mutex_;
  Latest latest_;
};

class EmulatedStream final : public Stream {
 public:
  EmulatedStream(std::shared_ptr<Device> device, Core& core)
      : device_(std::move(device)),
        core_(core),
        actor_(core.add_actor()),
        queue_(core.scheduler().add_queue()) {}

  ~EmulatedStream() override {
    core_.scheduler().remove_queue(queue_);
    core_.join_host(core_.clock_of(actor_));
  }

  Device& device() override { return *device_; }
  void set_error_scope(std::shared_ptr<ErrorScope> scope) override { scope_ = std::move(scope); }

  void copy_to_device(void* device_data, const void* host, size_t size_bytes) override {
    copy("copy_to_device", {"destination", device_data, size_bytes, true},
         {"source", host, size_bytes, false});
  }
  void copy_to_host(void* host, const void* device_data, size_t size_bytes) override {
    copy("copy_to_host", {"source", device_data, size_bytes, false},
         {"destination", host, size_bytes, true});
  }
  void launch(std::unique_ptr<HostKernel> kernel) override;
  void record(Event& event) override;
  void wait(Event& event) override;
  void call_when_reached(std::function<void()> reached) override;
  Status synchronize() override;

 private:
  void copy(std::string_view name, const DeviceSpan& device, const HostSpan& host);
  EmulatedEvent& own(Event& event);
  OperationLabel label(std::string_view kernel, std::string name) {
    return {.actor = actor_, .kernel = kernel, .name = std::move(name), .scope = scope_};
  }
  void enqueue(std::unique_ptr<Operation> operation) {
    core_.scheduler().enqueue(*queue_, std::move(operation));
  }

  std::shared_ptr<Device> device_;
  Core& core_;
  size_t actor_;
  std::shared_ptr<StreamQueue> queue_;
  std::shared_ptr<ErrorScope> scope_ = std::make_shared<ErrorScope>();
};

void EmulatedStream::copy(std::string_view name, const DeviceSpan& device, const HostSpan& host) {
  if (host.size_bytes == 0) return;
  std::string title = fmt::format("{} on stream {}", name, actor_);
  Core::Checked checked = core_.check_copy(label(name, title), device, host);
  CopyPlan plan{.name = std::move(title),
                .scope = scope_,
                .planned_error = std::move(checked.error),
                .size_bytes = host.size_bytes,
                .source_is_host = device.written,
                .max_steps = core_.max_copy_steps(),
                .violations = core_.violations()};
  if (plan.planned_error.ok()) {
    plan.backing = std::move(checked.backings.front());
    auto* host_bytes = static_cast<std::byte*>(const_cast<void*>(host.address));
    plan.destination = device.written ? plan.backing.data : host_bytes;
    plan.source = device.written ? host_bytes : plan.backing.data;
  }
  enqueue(std::make_unique<CopyOperation>(std::move(plan)));
}

void EmulatedStream::launch(std::unique_ptr<HostKernel> kernel) {
  std::vector<DeviceRange> ranges = kernel->ranges();
  std::erase_if(ranges, [](const DeviceRange& range) { return range.size_bytes == 0; });
  std::vector<std::string> names;
  for (size_t i = 0; i < ranges.size(); ++i) names.push_back(fmt::format("range {}", i));
  std::vector<DeviceSpan> spans;
  for (size_t i = 0; i < ranges.size(); ++i) {
    spans.push_back({names[i], *ranges[i].pointer, ranges[i].size_bytes, ranges[i].written});
  }
  std::string title = fmt::format("launch of \"{}\" on stream {}", kernel->name(), actor_);
  Core::Checked checked = core_.check_launch(label(kernel->name(), std::move(title)), spans);
  if (checked.error.ok()) {
    for (size_t i = 0; i < ranges.size(); ++i) *ranges[i].pointer = checked.backings[i].data;
  }
  enqueue(std::make_unique<LaunchOperation>(LaunchPlan{.scope = scope_,
                                                       .planned_error = std::move(checked.error),
                                                       .kernel = std::move(kernel),
                                                       .backings = std::move(checked.backings)}));
}

EmulatedEvent& EmulatedStream::own(Event& event) {
  auto* emulated = dynamic_cast<EmulatedEvent*>(&event);
  WDE_CHECK(emulated != nullptr && emulated->belongs_to(core_));
  return *emulated;
}

void EmulatedStream::record(Event& event) {
  auto recording = std::make_shared<Recording>();
  own(event).set_latest({.recording = recording, .clock = core_.clock_of(actor_)});
  enqueue(std::make_unique<RecordOperation>(std::move(recording)));
}

void EmulatedStream::wait(Event& event) {
  EmulatedEvent::Latest latest = own(event).latest();
  const bool admitted = core_.admit_wait();
  if (latest.recording == nullptr) return;
  // A dropped wait orders nothing as far as the checker knows, which therefore misses it. Memory is
  // touched in the right order all the same: a test that drops one must not race by itself.
  if (admitted) core_.join_stream(actor_, latest.clock);
  enqueue(std::make_unique<WaitOperation>(std::move(latest.recording)));
}

void EmulatedStream::call_when_reached(std::function<void()> reached) {
  enqueue(std::make_unique<CallbackOperation>(
      [&core = core_, clock = core_.clock_of(actor_), reached = std::move(reached)] {
        core.join_host(clock);
        reached();
      }));
}

Status EmulatedStream::synchronize() {
  const VectorClock clock = core_.clock_of(actor_);
  core_.scheduler().drain(*queue_);
  core_.join_host(clock);
  return scope_->status();
}

class EmulatedDeviceImpl final : public EmulatedDevice {
 public:
  EmulatedDeviceImpl(EmulatedOptions options, std::unique_ptr<Memory> memory)
      : core_(std::move(options), std::move(memory)) {}

  std::string name() const override { return "emulated"; }
  std::string_view kind() const override { return "emulated"; }
  MemoryInfo memory() const override { return core_.memory_info(); }
  bool host_addressable() const override { return false; }
  Result<Storage> allocate(size_t size_bytes) override { return allocate_any(size_bytes, false); }
  Result<Storage> allocate_host(size_t size_bytes) override {
    return allocate_any(size_bytes, true);
  }
  std::unique_ptr<Stream> create_stream() override {
    return std::make_unique<EmulatedStream>(shared_from_this(), core_);
  }
  std::unique_ptr<Event> create_event() override { return std::make_unique<EmulatedEvent>(core_); }

  EmulatedStats stats() const override { return core_.stats(); }
  std::vector<Status> violations() const override { return core_.violations().all(); }
  void set_faults(EmulatedFaults faults) override { core_.set_faults(std::move(faults)); }

 protected:
  void release(void* data, size_t size_bytes, bool host_visible) override {
    core_.release(data, size_bytes, host_visible);
  }

 private:
  Result<Storage> allocate_any(size_t size_bytes, bool host_visible) {
    WDE_ASSIGN_OR_RETURN(void* const data, core_.allocate(size_bytes, host_visible));
    return Storage(shared_from_this(), data, size_bytes, host_visible);
  }

  Core core_;
};

}  // namespace
}  // namespace emulated

Result<std::shared_ptr<EmulatedDevice>> create_emulated_device(EmulatedOptions options) {
  WDE_ASSIGN_OR_RETURN(auto memory, emulated::Memory::create(options.memory_bytes));
  return std::shared_ptr<EmulatedDevice>(
      std::make_shared<emulated::EmulatedDeviceImpl>(std::move(options), std::move(memory)));
}

}  // namespace wde
