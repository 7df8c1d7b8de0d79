// The whole engine on the emulated device: nothing above the device seam may know which device it
// runs on, and every ordering that an executor needs must be said by an event.

#include <gtest/gtest.h>

#include <cstring>

#include "engine/load_on_device.h"
#include "support/paths.h"
#include "tensor/emulated_device.h"
#include "wde/engine.h"

namespace wde {
namespace {

// A sanitizer looks for other things than schedules, and takes its time.
#if defined(WDE_SANITIZED)
constexpr int kSchedules = 50;
#else
constexpr int kSchedules = 1000;
#endif

constexpr int kLongTextTokens = 5;

EngineOptions options_for(const std::string& executor, int long_text_tokens = 0) {
  EngineOptions options;
  options.model = test::fixture("models/mean_normalize");
  options.executor = executor;
  options.max_batch_requests = 2;
  options.max_batch_tokens = 128;
  options.request_threads = 1;
  options.memory_utilization = 1.0;
  options.long_text_tokens = long_text_tokens;
  return options;
}

std::vector<Request> make_requests(int count) {
  const std::vector<std::string> words = {"river ", "bridge ", "a ", "lantern ", "of "};
  std::vector<Request> requests;
  for (int i = 0; i < count; ++i) {
    std::string text;
    const int length = i == 10 ? 60 : 1 + i % 7;
    for (int j = 0; j < length; ++j) text += words[static_cast<size_t>(i * 3 + j) % words.size()];
    requests.push_back({.task = i % 5 == 4 ? Task::kHidden : Task::kEmbed, .input = text});
  }
  return requests;
}

struct Outcome {
  std::vector<Result<Response>> answers;
  std::vector<Status> violations;
  EmulatedStats stats;
};

Outcome run_on(const EmulatedOptions& device_options, const std::string& executor, int requests,
               int long_text_tokens = 0) {
  auto device = create_emulated_device(device_options);
  EXPECT_TRUE(device.ok()) << device.status().message();
  Outcome run;
  {
    auto engine = engine::load_on_device(options_for(executor, long_text_tokens), *device);
    EXPECT_TRUE(engine.ok()) << engine.status().message();
    if (!engine.ok()) return run;
    run.answers = (*engine)->run_all(make_requests(requests));
    run.stats = (*device)->stats();
  }
  run.violations = (*device)->violations();
  EXPECT_EQ((*device)->stats().device_bytes, 0u) << "device memory was leaked";
  EXPECT_EQ((*device)->stats().host_bytes, 0u) << "host memory was leaked";
  return run;
}

bool same_bits(const Result<Response>& a, const Result<Response>& b) {
  return a.ok() && b.ok() && a->values.size() == b->values.size() &&
         std::memcmp(a->values.data(), b->values.data(), a->values.size() * sizeof(float)) == 0;
}

int failures(const Outcome& run) {
  int count = 0;
  for (const auto& answer : run.answers) count += answer.ok() ? 0 : 1;
  return count;
}

TEST(EmulatedDevice, AThousandSchedulesGiveTheSameBits) {
  const Outcome expected = run_on({.seed = 0}, "simple", 9);
  ASSERT_EQ(failures(expected), 0);
  for (uint64_t seed = 1; seed <= kSchedules; ++seed) {
    const Outcome run = run_on({.seed = seed}, "double_buffer", 9);
    ASSERT_TRUE(run.violations.empty())
        << "seed " << seed << ": " << run.violations.front().message();
    for (size_t i = 0; i < run.answers.size(); ++i) {
      ASSERT_TRUE(same_bits(run.answers[i], expected.answers[i]))
          << "seed " << seed << ", request " << i;
    }
  }
}

// Long texts, of one chunk and of two, with whatever the threads' timing lets pass between.
TEST(EmulatedDevice, LongTextsGiveTheSameBitsInEverySchedule) {
  const Outcome expected = run_on({.seed = 0}, "simple", 12);
  ASSERT_EQ(failures(expected), 0);
  for (uint64_t seed = 1; seed <= kSchedules / 2; ++seed) {
    const Outcome run = run_on({.seed = seed}, "double_buffer", 12, kLongTextTokens);
    ASSERT_TRUE(run.violations.empty())
        << "seed " << seed << ": " << run.violations.front().message();
    for (size_t i = 0; i < run.answers.size(); ++i) {
      ASSERT_TRUE(same_bits(run.answers[i], expected.answers[i]))
          << "seed " << seed << ", request " << i;
    }
  }
}

TEST(EmulatedDevice, TakesWhatThePlanSaysForLongTexts) {
  const auto load = [](int long_text_tokens) {
    auto device = create_emulated_device({.seed = 1}).value();
    auto engine =
        engine::load_on_device(options_for("double_buffer", long_text_tokens), device).value();
    const EmulatedStats stats = device->stats();
    return std::pair(stats.device_bytes + stats.host_bytes, engine->info().workspace_bytes);
  };
  const auto [whole_bytes, whole_plan] = load(0);
  const auto [chunks_bytes, chunks_plan] = load(8);
  EXPECT_NE(chunks_plan, whole_plan);
  EXPECT_EQ(chunks_bytes - whole_bytes, chunks_plan - whole_plan);
}

// Whichever wait is taken away, it is missed: each is needed, and the device notices.
TEST(EmulatedDevice, ARemovedEventIsFound) {
  const Outcome whole = run_on({.seed = 3}, "double_buffer", 9);
  ASSERT_EQ(failures(whole), 0);
  int removed = 0;
  for (size_t wait = 1; wait <= whole.stats.waits; ++wait) {
    for (uint64_t seed = 0; seed < 3; ++seed) {
      const Outcome run = run_on({.seed = seed, .faults = {.drop_wait = wait}}, "double_buffer", 9);
      if (run.stats.waits < wait) continue;  // the requests made up fewer batches this time
      ++removed;
      EXPECT_FALSE(run.violations.empty())
          << "wait " << wait << " can be removed unnoticed, seed " << seed;
      EXPECT_GT(failures(run), 0);
    }
  }
  EXPECT_GT(removed, 12);
}

// Requests of one batch share their fate; nothing else may.
void expect_one_batch_fails(const EmulatedFaults& faults, const std::string& executor,
                            int long_text_tokens = 0) {
  const Outcome expected = run_on({.seed = 5}, executor, 12);
  ASSERT_EQ(failures(expected), 0);
  auto device = create_emulated_device({.seed = 5});
  ASSERT_TRUE(device.ok());
  auto engine = engine::load_on_device(options_for(executor, long_text_tokens), *device);
  ASSERT_TRUE(engine.ok()) << engine.status().message();
  (*device)->set_faults(faults);  // after the load, whose copies must not count
  const auto answers = (*engine)->run_all(make_requests(12));
  int failed = 0;
  for (size_t i = 0; i < answers.size(); ++i) {
    if (answers[i].ok()) {
      EXPECT_TRUE(same_bits(answers[i], expected.answers[i])) << "request " << i;
    } else {
      EXPECT_EQ(answers[i].status().code(), StatusCode::kDeviceError)
          << answers[i].status().message();
      ++failed;
    }
  }
  EXPECT_GE(failed, 1);
  EXPECT_LE(failed, 2) << "more than the failing batch failed";
  EXPECT_TRUE((*device)->violations().empty()) << (*device)->violations().front().message();
}

TEST(EmulatedDevice, AFailedCopyInFailsItsBatchOnly) {
  for (const size_t nth : {1u, 2u, 3u}) {
    expect_one_batch_fails({.copy = EmulatedFault{nth, "copy_to_device"}}, "double_buffer");
    expect_one_batch_fails({.copy = EmulatedFault{nth, "copy_to_device"}}, "simple");
  }
}

TEST(EmulatedDevice, AFailedCopyOutFailsItsBatchOnly) {
  for (const size_t nth : {1u, 2u, 3u}) {
    expect_one_batch_fails({.copy = EmulatedFault{nth, "copy_to_host"}}, "double_buffer");
  }
}

TEST(EmulatedDevice, AFailedLaunchFailsItsBatchOnly) {
  for (const size_t nth : {1u, 5u, 20u, 33u}) {
    expect_one_batch_fails({.launch = EmulatedFault{nth, ""}}, "double_buffer");
    expect_one_batch_fails({.launch = EmulatedFault{nth, ""}}, "double_buffer", kLongTextTokens);
  }
}

TEST(EmulatedDevice, OutOfMemoryIsRefusedAtLoadWithTheNumbers) {
  bool refused = false, shrunk = false;
  for (const size_t kibibytes : {1u, 16u, 64u, 128u, 192u, 256u, 384u, 512u, 768u, 1024u, 4096u}) {
    auto device = create_emulated_device({.memory_bytes = size_t{kibibytes} << 10});
    ASSERT_TRUE(device.ok());
    EngineOptions options = options_for("double_buffer");
    options.max_batch_tokens = 4096;
    auto engine = engine::load_on_device(options, *device);
    if (!engine.ok()) {
      refused = true;
      EXPECT_FALSE(shrunk) << "more memory was refused than less";
      EXPECT_EQ(engine.status().code(), StatusCode::kResourceExhausted)
          << engine.status().message();
      EXPECT_NE(engine.status().message().find("MiB"), std::string::npos)
          << engine.status().message();
      continue;
    }
    shrunk = shrunk || (*engine)->info().max_batch_tokens < 4096;
    const ModelInfo& info = (*engine)->info();
    EXPECT_LE(info.weight_bytes + info.workspace_bytes, info.memory_limit_bytes);
    for (const auto& answer : (*engine)->run_all(make_requests(9))) EXPECT_TRUE(answer.ok());
  }
  EXPECT_TRUE(refused);
  EXPECT_TRUE(shrunk);
}

}  // namespace
}  // namespace wde
