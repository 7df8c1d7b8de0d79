#include "workflow/assembly.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/paths.h"
#include "tensor/device_registry.h"

namespace wde::workflow {
namespace {

// What settles the words of an answer needs the tokenizer before the slot that makes it.
TEST(Assembly, ATokenizerIsLoadedOnce) {
  const std::pair<const char*, Task> kModels[] = {{"llama_yes_no", Task::kRerank},
                                                  {"qwen2_process_reward", Task::kClassifyTokens}};
  for (const auto& [model, task] : kModels) {
    EngineOptions options;
    options.model = test::fixture(std::string("task_models/") + model);
    options.task = task;
    const auto parts =
        assemble(options, create_device("cpu").value(), AssembleUntil::kMemoryPlan, nullptr);
    ASSERT_TRUE(parts.ok()) << parts.status().message();
    ASSERT_NE(parts->settings.tokenizer, nullptr) << model;
    EXPECT_EQ(parts->tokenizer, parts->settings.tokenizer) << model;
  }
}

TEST(Assembly, TextsThatAreChatMessagesAreForRerankers) {
  auto folder = checkpoint::read_model_folder(test::fixture("models/mean_normalize"));
  ASSERT_TRUE(folder.ok()) << folder.status().message();
  folder->processing.messages = true;
  const auto manifest = choose_manifest(*folder, {});
  ASSERT_TRUE(manifest.ok()) << manifest.status().message();
  const auto parts = assemble(**manifest, *folder, {}, create_device("cpu").value(),
                              AssembleUntil::kMemoryPlan, nullptr);
  EXPECT_THAT(parts.status().message(), testing::HasSubstr("\"modality_config\""));
}

}  // namespace
}  // namespace wde::workflow
