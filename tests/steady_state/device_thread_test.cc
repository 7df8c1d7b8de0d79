// Once warm, the device thread and those that its ops split over take nothing from the heap.
#include <gtest/gtest.h>

#include <memory>
#include <random>

#include "steady_state/allocation_count.h"
#include "support/paths.h"
#include "workflow/assembly.h"

namespace wde::workflow {
namespace {

struct Configuration {
  const char* model;
  Task task;
  const char* dtype;
};

// Batches through the executor, as the engine's thread sends them; this thread is that one.
class Batches {
 public:
  explicit Batches(const Configuration& configuration) : task_(configuration.task) {
    EngineOptions options;
    options.model = wde::test::fixture(configuration.model);
    options.dtype = configuration.dtype;
    options.task = configuration.task;
    options.threads = 2;
    options.max_batch_tokens = 600;
    auto parts = assemble(options, nullptr, AssembleUntil::kExecutor, &signal_);
    EXPECT_TRUE(parts.ok()) << parts.status().message();
    if (parts.ok()) parts_ = std::make_unique<Assembly>(std::move(parts).value());
  }

  bool ready() const { return parts_ != nullptr; }
  // One of so many texts, each of 1 to 30 tokens; waits for it.
  void run(int texts) {
    execution::Slot* slot = parts_->executor->acquire();
    ASSERT_NE(slot, nullptr);
    for (int i = 0; i < texts; ++i) slot->batch.requests.push_back(make_request());
    slot->input = parts_->model_input_builder->build(&slot->batch, slot->host_block());
    uint64_t seen = signal_.epoch();
    parts_->executor->start(slot);
    while ((slot = parts_->executor->completed()) == nullptr) {
      signal_.wait(seen);
      seen = signal_.epoch();
    }
    EXPECT_TRUE(slot->output().status.ok());
    parts_->executor->release(slot);
  }

 private:
  schema::SchedulableRequest make_request() {
    schema::SchedulableRequest request;
    request.task = task_;
    request.ids.resize(1 + random_() % 30);
    for (int32_t& id : request.ids) id = static_cast<int32_t>(5 + random_() % 100);
    request.type_ids.resize(request.ids.size());
    return request;
  }

  Task task_;
  Signal signal_;
  std::unique_ptr<Assembly> parts_;
  std::mt19937 random_{1};
};

class DeviceThread : public testing::TestWithParam<Configuration> {};

TEST_P(DeviceThread, AllocatesNothingOnceWarm) {
#ifdef WDE_SANITIZED
  GTEST_SKIP() << "a sanitizer's allocator is not counted";
#endif
  wde::test::leave_the_count();
  Batches batches(GetParam());
  ASSERT_TRUE(batches.ready());
  const auto run_all = [&] {
    // One text that the ops split, several on lanes of their own, and again and again.
    for (int round = 0; round < 100; ++round) batches.run(round % 2 == 0 ? 1 : 1 + round % 16);
  };
  const int64_t before = wde::test::heap_allocations();
  run_all();
  const int64_t warm = wde::test::heap_allocations();
  EXPECT_GT(warm, before);  // which shows that they are counted
  run_all();
  EXPECT_EQ(wde::test::heap_allocations() - warm, 0);
}

std::vector<Configuration> configurations() {
  std::vector<Configuration> all;
  for (const char* dtype : {"f32", "bf16", "int8"}) {
    for (const char* model : {"models/mean_normalize", "models/dense_tanh", "models/qwen3",
                              "models/modernbert", "models/deberta_v3", "models/nomic_moe",
                              "models/jina_v3", "models/t5", "folder_models/module_chain"}) {
      all.push_back({model, Task::kEmbed, dtype});
    }
    all.push_back({"models/mean_normalize", Task::kHidden, dtype});
    all.push_back({"task_models/bert_rerank", Task::kRerank, dtype});
    all.push_back({"task_models/bert_tokens", Task::kClassifyTokens, dtype});
    all.push_back({"task_models/bert_sparse", Task::kSparse, dtype});
    all.push_back({"task_models/bge_m3", Task::kHybrid, dtype});
    all.push_back({"task_models/qwen3_yes_no", Task::kRerank, dtype});
  }
  return all;
}

INSTANTIATE_TEST_SUITE_P(Models, DeviceThread, testing::ValuesIn(configurations()),
                         [](const auto& parameter) {
                           std::string name = parameter.param.model;
                           name = name.substr(name.find('/') + 1) + "_";
                           name += std::string(task_name(parameter.param.task)) + "_";
                           name += parameter.param.dtype;
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name;
                         });

}  // namespace
}  // namespace wde::workflow
