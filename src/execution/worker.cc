#include "execution/worker.h"

#include <algorithm>

#include "base/status.h"
#include "base/thread_pool.h"

namespace wde::execution {

std::span<int32_t> Slot::host_block() {
  return {static_cast<int32_t*>(host_block_.data()), host_block_.size_bytes() / sizeof(int32_t)};
}

schema::RawOutput Slot::output() const {
  schema::RawOutput output{.status = scope_->status()};
  const auto* values = static_cast<const float*>(host_output_.data());
  for (const OutputPart& part : parts_) {
    output.parts.push_back({.values = {values + part.begin, static_cast<size_t>(part.floats())},
                            .columns = part.columns,
                            .per_token = part.per_token});
  }
  return output;
}

Worker::Worker(Options options, std::unique_ptr<Runner> runner)
    : options_(std::move(options)), runner_(std::move(runner)) {
  for (int i = 0; i < (options_.separate_streams ? 3 : 1); ++i)
    streams_[i] = options_.device->create_stream();
  copy_in_ = streams_[0].get();
  compute_ = streams_[options_.separate_streams ? 1 : 0].get();
  copy_out_ = streams_[options_.separate_streams ? 2 : 0].get();
}

Result<std::unique_ptr<Worker>> Worker::create(Options options, std::unique_ptr<Runner> runner) {
  std::unique_ptr<Worker> worker(new Worker(std::move(options), std::move(runner)));
  WDE_RETURN_IF_ERROR(worker->make_slots());
  worker->thread_ = std::thread([raw = worker.get()] { raw->device_thread(); });
  return worker;
}

Worker::~Worker() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  if (thread_.joinable()) thread_.join();
  for (const auto& stream : streams_) {
    if (stream != nullptr)
      (void)stream->synchronize();  // every batch has told its own fate already
  }
}

size_t Worker::slot_bytes(int64_t max_batch_tokens, int64_t max_batch_requests,
                          int64_t output_floats) {
  const size_t block_bytes =
      schema::ModelInput::capacity(max_batch_tokens, max_batch_requests) * sizeof(int32_t);
  return 2 * (block_bytes + static_cast<size_t>(output_floats) * sizeof(float));
}

Status Worker::make_slots() {
  const int64_t tokens = options_.max_batch_tokens, requests = options_.max_batch_requests;
  const size_t block_bytes = schema::ModelInput::capacity(tokens, requests) * sizeof(int32_t);
  const size_t output_bytes =
      static_cast<size_t>(runner_->max_output_floats(tokens, requests)) * sizeof(float);
  Device& device = *options_.device;
  started_.reserve(static_cast<size_t>(options_.slots));
  for (int i = 0; i < options_.slots; ++i) {
    auto slot = std::make_unique<Slot>();
    slot->worker_ = this;
    WDE_ASSIGN_OR_RETURN(slot->host_block_, device.allocate_host(block_bytes));
    WDE_ASSIGN_OR_RETURN(slot->device_block_, device.allocate(block_bytes));
    WDE_ASSIGN_OR_RETURN(slot->host_output_, device.allocate_host(output_bytes));
    WDE_ASSIGN_OR_RETURN(slot->device_output_, device.allocate(output_bytes));
    slot->copied_in_ = device.create_event();
    slot->computed_ = device.create_event();
    slots_.push_back(std::move(slot));
  }
  return {};
}

std::vector<Slot*> Worker::slots() {
  std::vector<Slot*> slots;
  for (const auto& slot : slots_) slots.push_back(slot.get());
  return slots;
}

void Worker::start(Slot* slot) {
  slot->scope_ = std::make_shared<ErrorScope>();
  {
    const std::lock_guard lock(mutex_);
    started_.push_back(slot);
  }
  wake_.notify_one();
}

void Worker::device_thread() {
  if (options_.core >= 0) pin_this_thread(options_.core);
  for (;;) {
    Slot* slot = nullptr;
    {
      std::unique_lock lock(mutex_);
      wake_.wait(lock, [&] { return stopping_ || !started_.empty(); });
      if (started_.empty()) return;
      slot = take_started();
    }
    enqueue(slot);
  }
}

void Worker::enqueue(Slot* slot) {
  runner_->lay_out(slot->input, &slot->parts_);
  const int64_t floats = slot->parts_.back().begin + slot->parts_.back().floats();
  slot->begin_ = Clock::now();
  enter_scope(*slot);

  copy_in_->copy_to_device(slot->device_block_.data(), slot->input.block.data(),
                           slot->input.used() * sizeof(int32_t));
  copy_in_->record(*slot->copied_in_);
  compute_->wait(*slot->copied_in_);
  compute(slot);
  compute_->record(*slot->computed_);
  copy_out_->wait(*slot->computed_);
  copy_out_->copy_to_host(slot->host_output_.data(), slot->device_output_.data(),
                          static_cast<size_t>(floats) * sizeof(float));
  copy_out_->call_when_reached([this, slot] {
    const Clock::time_point end = Clock::now();
    for (auto& request : slot->batch.requests) {
      request.timestamps.begin = slot->begin_;
      request.timestamps.end = end;
    }
    options_.completed(slot);
  });
}

void Worker::enter_scope(const Slot& slot) {
  for (Stream* stream : {copy_in_, compute_, copy_out_}) stream->set_error_scope(slot.scope_);
}

void Worker::compute(Slot* slot) {
  FairShare share(slot->begin_);
  const auto pass = [&] { let_one_pass(*slot, &share); };
  const std::function<void()> between_chunks = std::ref(pass);  // a copy would be on the heap
  runner_->forward(*compute_, slot->input, static_cast<int32_t*>(slot->device_block_.data()),
                   slot->parts_, static_cast<float*>(slot->device_output_.data()), &between_chunks);
}

void Worker::let_one_pass(const Slot& long_text, FairShare* share) {
  const Clock::time_point begin = Clock::now();
  if (!share->others_may_pass(begin)) return;
  Slot* const other = next_to_pass();
  if (other == nullptr) return;
  enqueue(other);
  enter_scope(long_text);
  share->passed(Clock::now() - begin);
}

Slot* Worker::next_to_pass() {
  const std::lock_guard lock(mutex_);
  if (started_.empty() || started_.front()->input.chunk_rows > 0) return nullptr;
  return take_started();
}

Slot* Worker::take_started() {
  Slot* const slot = started_.front();
  started_.erase(started_.begin());
  return slot;
}

}  // namespace wde::execution
