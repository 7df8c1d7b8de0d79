#include "metrics/metrics.h"

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <string>

namespace wde::metrics {
namespace {

using prometheus::Counter;
using prometheus::Gauge;
using prometheus::Histogram;
using prometheus::Registry;
using Buckets = Histogram::BucketBoundaries;

constexpr size_t kStatusCodes = static_cast<size_t>(StatusCode::kInternal) + 1;

// 50 us to 105 s in factors of two: a CPU answers a short text in some hundred us.
Buckets duration_buckets() {
  Buckets buckets;
  for (double seconds = 50e-6; seconds < 120; seconds *= 2) buckets.push_back(seconds);
  return buckets;
}

Buckets powers_of_two(double last) {
  Buckets buckets;
  for (double bound = 1; bound <= last; bound *= 2) buckets.push_back(bound);
  return buckets;
}

Counter& counter(Registry& registry, const std::string& name, const char* help) {
  return prometheus::BuildCounter().Name(name).Help(help).Register(registry).Add({});
}

Gauge& gauge(Registry& registry, const std::string& name, const char* help) {
  return prometheus::BuildGauge().Name(name).Help(help).Register(registry).Add({});
}

Histogram& histogram(Registry& registry, const std::string& name, const char* help,
                     const Buckets& buckets) {
  return prometheus::BuildHistogram().Name(name).Help(help).Register(registry).Add({}, buckets);
}

Histogram& duration(Registry& registry, const std::string& name, const char* help) {
  return histogram(registry, name, help, duration_buckets());
}

// A counter for each code, so that counting looks nothing up.
std::array<Counter*, kStatusCodes> by_code(Registry& registry, const std::string& name,
                                           const char* help) {
  auto& family = prometheus::BuildCounter().Name(name).Help(help).Register(registry);
  std::array<Counter*, kStatusCodes> counters{};
  for (size_t code = 1; code < kStatusCodes; ++code) {
    const std::string_view label = status_code_name(static_cast<StatusCode>(code));
    counters[code] = &family.Add({{"err", std::string(label)}});
  }
  return counters;
}

void observe_span(Histogram& histogram, Clock::time_point from, Clock::time_point to) {
  const double seconds = std::chrono::duration<double>(to - from).count();
  histogram.Observe(std::max(seconds, 0.0));  // a sum that shrinks would not be a counter
}

// What is counted of the inputs of a kind: "te_embed_count", …
struct InputFamilies {
  InputFamilies(Registry& registry, const std::string& prefix)
      : count(counter(registry, prefix + "count", "Accepted inputs that were answered")),
        success(counter(registry, prefix + "success", "Inputs answered with a result")),
        failure(by_code(registry, prefix + "failure", "Inputs answered with an error")),
        total(duration(registry, prefix + "duration",
                       "Seconds from an input's arrival to its answer")),
        tokenization(duration(registry, prefix + "tokenization_duration",
                              "Seconds until an input was tokenized")),
        queue(duration(registry, prefix + "queue_duration",
                       "Seconds that a tokenized input waited for its batch")),
        inference(duration(registry, prefix + "inference_duration",
                           "Seconds from the batch's making to its answer")) {}

  Counter& count;
  Counter& success;
  std::array<Counter*, kStatusCodes> failure;
  Histogram& total;
  Histogram& tokenization;
  Histogram& queue;
  Histogram& inference;
};

bool predicts(Task task) {
  return task == Task::kRerank || task == Task::kClassify || task == Task::kClassifyTokens;
}

}  // namespace

struct Metrics::Families {
  InputFamilies& of(Task task) { return predicts(task) ? predict : embed; }

  Registry registry;
  InputFamilies embed{registry, "te_embed_"};
  InputFamilies predict{registry, "te_predict_"};
  Histogram& input_length =
      histogram(registry, "te_request_input_length", "Tokens of an input", powers_of_two(131072));
  Histogram& batch_size =
      histogram(registry, "te_batch_next_size", "Inputs of a batch", powers_of_two(4096));
  Histogram& batch_tokens =
      histogram(registry, "te_batch_next_tokens", "Tokens of a batch", powers_of_two(1048576));
  Gauge& queue_size = gauge(registry, "te_queue_size", "Accepted inputs not yet in a batch");
};

Metrics::Metrics() : families_(std::make_unique<Families>()) {}
Metrics::~Metrics() = default;

void Metrics::request_succeeded(Task task, const Timestamps& timestamps, int tokens) {
  families_->input_length.Observe(tokens);
  InputFamilies& to = families_->of(task);
  to.count.Increment();
  to.success.Increment();
  observe_span(to.total, timestamps.arrival, timestamps.end);
  observe_span(to.tokenization, timestamps.arrival, timestamps.tokenized);
  observe_span(to.queue, timestamps.tokenized, timestamps.scheduled);
  observe_span(to.inference, timestamps.scheduled, timestamps.end);
}

void Metrics::request_failed(Task task, StatusCode code) {
  InputFamilies& to = families_->of(task);
  to.count.Increment();
  Counter* failure = to.failure[static_cast<size_t>(code)];
  if (failure != nullptr) failure->Increment();
}

void Metrics::observe_batch(size_t requests, size_t tokens) {
  families_->batch_size.Observe(static_cast<double>(requests));
  families_->batch_tokens.Observe(static_cast<double>(tokens));
}

void Metrics::set_queue_size(size_t requests) {
  families_->queue_size.Set(static_cast<double>(requests));
}

std::string Metrics::expose() const {
  return prometheus::TextSerializer().Serialize(families_->registry.Collect());
}

}  // namespace wde::metrics
