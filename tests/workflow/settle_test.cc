#include "workflow/settle.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/paths.h"
#include "tensor/device_registry.h"
#include "workflow/embedding.h"

namespace wde::workflow {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class Settle : public testing::Test {
 protected:
  void SetUp() override {
    auto read = checkpoint::read_model_folder(test::fixture("models/mean_normalize"));
    ASSERT_TRUE(read.ok()) << read.status().message();
    folder = std::move(*read);
    auto made = create_device("cpu");
    ASSERT_TRUE(made.ok()) << made.status().message();
    device = *made;
  }
  Result<Settings> settled() const {
    Result<Settings> settings = settle(folder, options, device);
    if (!settings.ok()) return settings;
    const Status family = settle_embedding(options, &*settings);
    return family.ok() ? std::move(settings) : Result<Settings>(family);
  }
  void expect_refused(StatusCode code, const std::string& part) const {
    const auto settings = settled();
    ASSERT_FALSE(settings.ok()) << part;
    EXPECT_EQ(settings.status().code(), code) << settings.status().message();
    EXPECT_THAT(settings.status().message(), HasSubstr(part));
  }

  checkpoint::ModelFolder folder;
  EngineOptions options;
  std::shared_ptr<Device> device;
};

TEST_F(Settle, TakesWhatTheModelSays) {
  const auto settings = settled();
  ASSERT_TRUE(settings.ok()) << settings.status().message();
  EXPECT_THAT(settings->embedding_head.poolings, ElementsAre(ops::Pooling::kMean));
  EXPECT_TRUE(settings->embedding_head.steps.empty());
  EXPECT_TRUE(settings->output.normalize);
  EXPECT_EQ(settings->output.embedding_size, 24);
  EXPECT_EQ(settings->limits.max_length, 40);
  EXPECT_EQ(settings->precision.dtype, DType::kF32);
}

TEST_F(Settle, OptionsGoBeforeTheModel) {
  options.pooling = "cls";
  options.normalize = false;
  options.max_length = 9;
  options.dtype = "bf16";
  const auto settings = settled();
  ASSERT_TRUE(settings.ok()) << settings.status().message();
  EXPECT_THAT(settings->embedding_head.poolings, ElementsAre(ops::Pooling::kCls));
  EXPECT_FALSE(settings->output.normalize);
  EXPECT_EQ(settings->limits.max_length, 9);
  EXPECT_EQ(settings->precision.dtype, DType::kBF16);
}

TEST_F(Settle, NamesTheOptionThatIsOutOfRange) {
  const auto expect_named = [&](int EngineOptions::*option, int value, const std::string& flag) {
    const int before = std::exchange(options.*option, value);
    expect_refused(StatusCode::kInvalidArgument, flag + " must be");
    options.*option = before;
  };
  expect_named(&EngineOptions::threads, -1, "--threads");
  expect_named(&EngineOptions::threads, 100000, "--threads");
  expect_named(&EngineOptions::request_threads, -3, "--request-threads");
  expect_named(&EngineOptions::data_parallel, 0, "--data-parallel");
  expect_named(&EngineOptions::max_batch_tokens, -1, "--max-batch-tokens");
  expect_named(&EngineOptions::max_batch_requests, 0, "--max-batch-requests");
  expect_named(&EngineOptions::max_queued_requests, 0, "--max-queued-requests");
  expect_named(&EngineOptions::long_text_tokens, -1, "--long-text-tokens");
}

TEST_F(Settle, NamesTheOptionWhoseValueIsUnknown) {
  options.dtype = "f16";
  expect_refused(StatusCode::kInvalidArgument, "--dtype");
  options.dtype = "auto";
  options.prompt_name = "nosuch";
  expect_refused(StatusCode::kInvalidArgument, "document, passage, query");
  options.prompt_name.reset();
  options.max_batch_tokens = 20;
  expect_refused(StatusCode::kInvalidArgument, "lower --max-length too");
}

TEST_F(Settle, ALongTextFillsHalfABatch) {
  const auto expect = [&](int64_t tokens, int64_t chunk_rows) {
    const auto settings = settled();
    ASSERT_TRUE(settings.ok()) << settings.status().message();
    EXPECT_EQ(settings->long_texts.tokens, tokens);
    EXPECT_EQ(settings->long_texts.chunk_rows, chunk_rows);
  };
  expect(2048, 1024);
  options.max_batch_tokens = 20000;
  expect(10000, 4992);  // whole blocks of queries
  options.max_batch_tokens = 1000;
  expect(2048, 1024);
  options.long_text_tokens = 3000;
  expect(3000, 1472);
  options.long_text_tokens = 1;
  expect(1, 32);
}

TEST_F(Settle, ABatchHoldsTheLongestTextThatIsNotInChunks) {
  folder.config["max_position_embeddings"] = 30000;
  folder.max_seq_length.reset();
  folder.model_max_length.reset();
  const auto settings = settled();
  ASSERT_TRUE(settings.ok()) << settings.status().message();
  EXPECT_EQ(settings->limits.max_length, 30000);
  EXPECT_EQ(settings->budget.max_tokens, 4096);
  EXPECT_EQ(settings->shards.max_shard_tokens, 4096);
  options.max_batch_tokens = 2000;
  expect_refused(StatusCode::kInvalidArgument, "2048 tokens up to which");
  expect_refused(StatusCode::kInvalidArgument, "lower --long-text-tokens too");
  options.long_text_tokens = 2000;
  EXPECT_TRUE(settled().ok());
  options.max_batch_tokens = 0;
  options.long_text_tokens = 10000;
  EXPECT_EQ(settled()->budget.max_tokens, 10000);
}

TEST_F(Settle, APoolingComesFirstAndOnce) {
  const checkpoint::Module pooling = folder.modules.front();
  folder.modules = {checkpoint::NormalizeModule{}, pooling};
  expect_refused(StatusCode::kUnsupported, "Pooling module must follow");
  folder.modules = {checkpoint::NormalizeModule{}};
  expect_refused(StatusCode::kUnsupported, "Pooling module must follow");
  folder.modules = {pooling, pooling};
  expect_refused(StatusCode::kUnsupported, "a Pooling after the Pooling");
  folder.modules = {};
  const auto bare = settled();
  ASSERT_TRUE(bare.ok());
  EXPECT_THAT(bare->embedding_head.poolings, ElementsAre(ops::Pooling::kMean));
  EXPECT_FALSE(bare->output.normalize);
}

TEST_F(Settle, APoolingOfAnotherWidthIsRefused) {
  std::get<checkpoint::PoolingModule>(folder.modules.front()).embedding_dimension = 999;
  expect_refused(StatusCode::kDataLoss, "999");
}

TEST_F(Settle, AnInnerNormalizeStaysInTheHead) {
  const checkpoint::Module pooling = folder.modules.front();
  folder.modules = {
      pooling, checkpoint::NormalizeModule{},
      checkpoint::DenseModule{.in_features = 24, .out_features = 5, .activation = "Tanh"},
      checkpoint::NormalizeModule{}};
  const auto settings = settled();
  ASSERT_TRUE(settings.ok()) << settings.status().message();
  ASSERT_EQ(settings->embedding_head.steps.size(), 2u);
  EXPECT_TRUE(std::holds_alternative<heads::NormalizeStep>(settings->embedding_head.steps.front()));
  EXPECT_TRUE(settings->output.normalize);
  EXPECT_EQ(settings->output.embedding_size, 5);
}

TEST_F(Settle, KnowsTheEmptyPromptsOfSentenceTransformers) {
  folder.prompts.clear();
  for (const std::string name : {"query", "document"}) {
    options.prompt_name = name;
    const auto settings = settled();
    ASSERT_TRUE(settings.ok()) << settings.status().message();
    EXPECT_EQ(settings->prompts.default_prompt, "");
  }
}

TEST_F(Settle, ErrorsOfTheConfigNameItsFile) {
  folder.config["layer_norm_eps"] = -1.0;
  expect_refused(StatusCode::kDataLoss, "mean_normalize/config.json");
  expect_refused(StatusCode::kDataLoss, "layer_norm_eps");
}

}  // namespace
}  // namespace wde::workflow
