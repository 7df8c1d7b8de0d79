#include "tensor/device.h"

#include <utility>

namespace wde {

Storage::Storage(std::shared_ptr<Device> device, void* data, size_t size_bytes, bool host_visible)
    : device_(std::move(device)),
      data_(data),
      size_bytes_(size_bytes),
      host_visible_(host_visible) {}

Storage::Storage(Storage&& other) noexcept
    : device_(std::move(other.device_)),
      data_(std::exchange(other.data_, nullptr)),
      size_bytes_(std::exchange(other.size_bytes_, 0)),
      host_visible_(other.host_visible_) {}

Storage& Storage::operator=(Storage&& other) noexcept {
  Storage taken(std::move(other));  // frees what was held before when it goes out of scope
  std::swap(device_, taken.device_);
  std::swap(data_, taken.data_);
  std::swap(size_bytes_, taken.size_bytes_);
  std::swap(host_visible_, taken.host_visible_);
  return *this;
}

Storage::~Storage() {
  if (data_ != nullptr) device_->release(data_, size_bytes_, host_visible_);
}

void ErrorScope::fail(Status status) {
  WDE_CHECK(!status.ok());
  const std::lock_guard lock(mutex_);
  if (!first_.ok()) return;
  first_ = std::move(status);
  failed_.store(true, std::memory_order_release);
}

Status ErrorScope::status() const {
  const std::lock_guard lock(mutex_);
  return first_;
}

}  // namespace wde
