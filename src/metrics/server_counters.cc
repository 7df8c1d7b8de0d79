#include "metrics/server_counters.h"

#include <prometheus/counter.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

namespace wde::metrics {
namespace {

using prometheus::Counter;
using prometheus::Histogram;
using prometheus::Registry;

// Seconds: 0.1 ms … 1000 s, a factor of about 3 apart.
const Histogram::BucketBoundaries kDurationBuckets = {1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 0.1, 0.3,
                                                      1,    3,    10,   30,   100,  300,  1000};

struct ByMethod {
  ByMethod(Registry& registry, const char* name, const char* help) {
    auto& family = prometheus::BuildCounter().Name(name).Help(help).Register(registry);
    single = &family.Add({{"method", "single"}});
    batch = &family.Add({{"method", "batch"}});
  }
  Counter& of(ServerCounters::Method method) const {
    return method == ServerCounters::Method::kBatch ? *batch : *single;
  }
  Counter* single;
  Counter* batch;
};

Histogram& add_duration(Registry& registry, const char* name, const char* help) {
  auto& family = prometheus::BuildHistogram().Name(name).Help(help).Register(registry);
  return family.Add({}, kDurationBuckets);
}

double seconds(std::chrono::nanoseconds time) {
  return std::chrono::duration<double>(time).count();
}

}  // namespace

struct ServerCounters::Families {
  Registry registry;
  ByMethod count{registry, "te_request_count", "Requests that hold inputs to compute"};
  ByMethod success{registry, "te_request_success", "Those answered with a result"};
  prometheus::Family<Counter>& failure = prometheus::BuildCounter()
                                             .Name("te_request_failure")
                                             .Help("Refused or failed")
                                             .Register(registry);
  Counter& validation = failure.Add({{"err", "validation"}});
  Counter& batch_size = failure.Add({{"err", "batch_size"}});
  Counter& tokenization = failure.Add({{"err", "tokenization"}});
  Counter& overloaded = failure.Add({{"err", "overloaded"}});
  Counter& model_type = failure.Add({{"err", "model_type"}});
  Counter& inference = failure.Add({{"err", "inference"}});
  Histogram& total = add_duration(registry, "te_request_duration", "Seconds from header to answer");
  Histogram& tokenization_time = add_duration(registry, "te_request_tokenization_duration",
                                              "Seconds until an input was tokenized");
  Histogram& queue_time = add_duration(registry, "te_request_queue_duration",
                                       "Seconds that an input waited for its batch");
  Histogram& inference_time =
      add_duration(registry, "te_request_inference_duration", "Seconds that an input's batch took");

  Counter& failure_of(StatusCode code) {
    switch (code) {
      case StatusCode::kInvalidArgument:
      case StatusCode::kEmptyInput:
      case StatusCode::kNotFound:
      case StatusCode::kDataLoss:
        return validation;
      case StatusCode::kUnsupported:
        return model_type;
      case StatusCode::kOverloaded:
      case StatusCode::kDeadlineExceeded:
      case StatusCode::kShuttingDown:
        return overloaded;
      default:
        return inference;
    }
  }
};

ServerCounters::ServerCounters() : families_(std::make_unique<Families>()) {}
ServerCounters::~ServerCounters() = default;

void ServerCounters::count_request(Method method) { families_->count.of(method).Increment(); }

void ServerCounters::count_success(Method method, const RequestTimes& times) {
  families_->success.of(method).Increment();
  families_->total.Observe(seconds(times.total));
  families_->tokenization_time.Observe(seconds(times.tokenization));
  families_->queue_time.Observe(seconds(times.queue));
  families_->inference_time.Observe(seconds(times.inference));
}

void ServerCounters::count_failure(const Status& status) {
  families_->failure_of(status.code()).Increment();
}
void ServerCounters::count_batch_size_failure() { families_->batch_size.Increment(); }
void ServerCounters::count_overloaded() { families_->overloaded.Increment(); }

std::string ServerCounters::text() const {
  return prometheus::TextSerializer().Serialize(families_->registry.Collect());
}

}  // namespace wde::metrics
