#include "tensor/emulated/operations.h"

#include <cstring>
#include <utility>

namespace wde::emulated {

Status Violations::add(Status status) {
  const std::lock_guard lock(mutex_);
  return all_.emplace_back(std::move(status));
}

std::vector<Status> Violations::all() const {
  const std::lock_guard lock(mutex_);
  return all_;
}

CopyOperation::CopyOperation(CopyPlan plan) : plan_(std::move(plan)) {
  if (plan_.planned_error.ok() && plan_.source_is_host) enqueued_hash_ = source_hash();
}

StepResult CopyOperation::step(Random& random) {
  if (steps_left_ == 0) {
    if (plan_.scope->failed()) return StepResult::kDone;
    if (!plan_.planned_error.ok()) {
      plan_.scope->fail(plan_.planned_error);
      return StepResult::kDone;
    }
    begin(random);
  }
  if (steps_left_ == moves_at_) move();
  if (--steps_left_ > 0) return StepResult::kGoesOn;
  check_source();
  return StepResult::kDone;
}

void CopyOperation::begin(Random& random) {
  const auto max_steps = static_cast<uint64_t>(plan_.max_steps);
  steps_left_ = 1 + static_cast<int>(random() % max_steps);
  moves_at_ = 1 + static_cast<int>(random() % static_cast<uint64_t>(steps_left_));
  std::memset(plan_.destination, kUninitialised, plan_.size_bytes);
}

void CopyOperation::move() {
  check_source();
  std::memcpy(plan_.destination, plan_.source, plan_.size_bytes);
}

void CopyOperation::check_source() {
  if (!plan_.source_is_host || source_hash() == enqueued_hash_) return;
  plan_.scope->fail(plan_.violations.add(
      device_error("{}: the host changed the {} bytes at {} before their copy was done", plan_.name,
                   plan_.size_bytes, static_cast<const void*>(plan_.source))));
  plan_.source_is_host = false;  // said once
}

size_t CopyOperation::source_hash() const {
  const auto* bytes = reinterpret_cast<const char*>(plan_.source);
  return std::hash<std::string_view>()(std::string_view(bytes, plan_.size_bytes));
}

LaunchOperation::LaunchOperation(LaunchPlan plan) : plan_(std::move(plan)) {}

StepResult LaunchOperation::step(Random&) {
  if (plan_.scope->failed()) return StepResult::kDone;
  if (plan_.planned_error.ok()) {
    plan_.kernel->run();
  } else {
    plan_.scope->fail(plan_.planned_error);
  }
  return StepResult::kDone;
}

RecordOperation::RecordOperation(std::shared_ptr<Recording> recording)
    : recording_(std::move(recording)) {}

StepResult RecordOperation::step(Random&) {
  recording_->reached.store(true, std::memory_order_release);
  return StepResult::kDone;
}

WaitOperation::WaitOperation(std::shared_ptr<Recording> recording)
    : recording_(std::move(recording)) {}

bool WaitOperation::can_run() const { return recording_->reached.load(std::memory_order_acquire); }

StepResult WaitOperation::step(Random&) { return StepResult::kDone; }

CallbackOperation::CallbackOperation(std::function<void()> reached)
    : reached_(std::move(reached)) {}

StepResult CallbackOperation::step(Random&) {
  reached_();
  return StepResult::kDone;
}

}  // namespace wde::emulated
