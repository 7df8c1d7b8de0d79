// A text's answer does not depend on what else is computed with it: the same bits whatever the
// executor, the batch size, the order, the number of workers and of threads, whole or in chunks.

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <numeric>
#include <random>

#include "engine/tiers.h"
#include "support/golden_file.h"
#include "support/paths.h"
#include "wde/engine.h"

namespace wde {
namespace {

using Rows = std::vector<std::vector<float>>;

// Texts of very different lengths, from one token to over the limit.
std::vector<std::string> make_texts(size_t texts_count) {
  const std::vector<std::string> words = {"river", "the",     "bridge",  "of",   "stone",
                                          "and",   "a",       "lantern", "swam", "über",
                                          "夜",    "quietly", "7",       "!",    "mountains"};
  std::mt19937 random(11);
  std::vector<std::string> texts = {"", "a"};
  while (texts.size() < texts_count) {
    std::string text;
    const size_t length = size_t{1} << (random() % 8);
    const size_t count = 1 + random() % length;
    for (size_t i = 0; i < count; ++i) text += words[random() % words.size()] + " ";
    texts.push_back(std::move(text));
  }
  return texts;
}

// From one token to over the limit, which is beyond two chunks of 32 tokens for most models.
std::vector<std::string> make_long_texts() {
  std::vector<std::string> texts;
  for (const size_t words : {1, 200, 8, 20, 31, 2, 40, 64, 90, 5, 33, 120}) {
    std::string text;
    for (const std::string& part : make_texts(400)) {
      if (text.size() < 6 * words) text += part;
    }
    texts.push_back(text.substr(0, 6 * words));
  }
  return texts;
}

struct Configuration {
  std::string executor;
  int data_parallel = 1;
  int threads = 2;
  int batch_requests = 64;
  std::string attention;  // empty: the best
  std::string isa;        // the same
  int long_text_tokens = 0;
};

// The answers in the order of the texts, which are submitted in a shuffled order.
Rows embed(const std::string& model, const std::string& dtype, const Configuration& configuration,
           const std::vector<std::string>& texts, uint32_t seed) {
  EngineOptions options;
  options.model = model;
  options.dtype = dtype;
  options.executor = configuration.executor;
  options.data_parallel = configuration.data_parallel;
  options.threads = configuration.threads;
  options.max_batch_requests = configuration.batch_requests;
  options.attention_backend = configuration.attention;
  options.isa = configuration.isa;
  options.long_text_tokens = configuration.long_text_tokens;
  const auto engine = Engine::load(options);
  EXPECT_TRUE(engine.ok()) << engine.status().message();
  Rows rows(texts.size());
  if (!engine.ok()) return rows;
  std::vector<size_t> order(texts.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::shuffle(order.begin(), order.end(), std::mt19937(seed));
  std::vector<Request> requests;
  for (const size_t index : order) requests.push_back({.input = texts[index]});
  std::vector<Result<Response>> answers = (*engine)->run_all(std::move(requests));
  for (size_t i = 0; i < order.size(); ++i) {
    EXPECT_TRUE(answers[i].ok()) << answers[i].status().message();
    if (answers[i].ok()) rows[order[i]] = std::move(answers[i]->values);
  }
  return rows;
}

bool same_bits(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() && !a.empty() &&
         std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

void expect_invariance(const std::string& model, const std::string& isa, const std::string& dtype,
                       size_t texts_count, const std::vector<int>& batch_sizes) {
  const std::vector<std::string> texts = make_texts(texts_count);
  const Configuration alone{.executor = "simple", .threads = 1, .batch_requests = 1, .isa = isa};
  const Rows expected = embed(model, dtype, alone, texts, 0);
  uint32_t seed = 1;
  for (const char* executor : {"simple", "double_buffer"}) {
    for (const int batch_requests : batch_sizes) {
      for (const int workers : {1, 2}) {
        const Configuration configuration{.executor = executor,
                                          .data_parallel = workers,
                                          .batch_requests = batch_requests,
                                          .isa = isa};
        const Rows rows = embed(model, dtype, configuration, texts, seed++);
        for (size_t i = 0; i < texts.size(); ++i) {
          ASSERT_TRUE(same_bits(rows[i], expected[i]))
              << executor << ", batches of " << batch_requests << ", " << workers
              << " workers, text " << i;
        }
      }
    }
  }
}

const std::vector<int> kBatchSizes = {1, 2, 3, 8, 17, 64};

class BatchInvarianceOfTier : public testing::TestWithParam<test::Tier> {};

TEST_P(BatchInvarianceOfTier, TinyModel) {
  WDE_SKIP_REFUSED(GetParam());
  expect_invariance(test::fixture("models/mean_normalize"), GetParam().isa, GetParam().dtype, 150,
                    {1, 3, 17, 64});
}

TEST_P(BatchInvarianceOfTier, OddGeometry) {
  WDE_SKIP_REFUSED(GetParam());
  expect_invariance(test::fixture("models/cls_odd"), GetParam().isa, GetParam().dtype, 80,
                    {1, 3, 17, 64});
}

INSTANTIATE_TEST_SUITE_P(Tiers, BatchInvarianceOfTier, testing::ValuesIn(test::every_tier()),
                         test::tier_name);

// Every tiny model, with fewer batches than the two above.
class BatchInvarianceOfModel : public testing::TestWithParam<std::string> {};

TEST_P(BatchInvarianceOfModel, EveryPrecision) {
  const std::string model = test::fixture("models/" + GetParam());
  const std::vector<std::string> texts = make_texts(40);
  for (const char* dtype : {"f32", "bf16", "int8"}) {
    const Rows expected =
        embed(model, dtype, {.executor = "simple", .threads = 1, .batch_requests = 1}, texts, 0);
    const Rows rows =
        embed(model, dtype, {.executor = "double_buffer", .batch_requests = 17}, texts, 1);
    for (size_t i = 0; i < texts.size(); ++i) {
      ASSERT_TRUE(same_bits(rows[i], expected[i])) << dtype << ", text " << i;
    }
  }
}

// Computed in chunks of 32 tokens, which others pass.
TEST_P(BatchInvarianceOfModel, LongTextsInChunks) {
  const std::string model = test::fixture("models/" + GetParam());
  const std::vector<std::string> texts = make_long_texts();
  for (const char* dtype : {"f32", "bf16", "int8"}) {
    const Rows expected =
        embed(model, dtype, {.executor = "simple", .threads = 1, .batch_requests = 1}, texts, 0);
    for (const Configuration& configuration :
         {Configuration{.executor = "double_buffer", .batch_requests = 2, .long_text_tokens = 16},
          Configuration{.executor = "simple", .threads = 1, .long_text_tokens = 1},
          Configuration{.executor = "double_buffer", .data_parallel = 2, .long_text_tokens = 33}}) {
      const Rows rows = embed(model, dtype, configuration, texts, 1);
      for (size_t i = 0; i < texts.size(); ++i) {
        ASSERT_TRUE(same_bits(rows[i], expected[i]))
            << dtype << ", over " << configuration.long_text_tokens << " tokens, text " << i;
      }
    }
  }
}

// On the plain loops, which every instruction set's kernels are held to.
TEST_P(BatchInvarianceOfModel, LongTextsInChunksByPlainLoops) {
  const std::string model = test::fixture("models/" + GetParam());
  const std::vector<std::string> texts = make_long_texts();
  const Configuration whole{
      .executor = "simple", .threads = 1, .attention = "naive", .isa = "reference"};
  Configuration in_chunks = whole;
  in_chunks.long_text_tokens = 1;
  const Rows expected = embed(model, "f32", whole, texts, 0);
  const Rows rows = embed(model, "f32", in_chunks, texts, 1);
  for (size_t i = 0; i < texts.size(); ++i) ASSERT_TRUE(same_bits(rows[i], expected[i])) << i;
}

INSTANTIATE_TEST_SUITE_P(Models, BatchInvarianceOfModel, testing::ValuesIn(test::golden_names()),
                         [](const auto& parameter) { return parameter.param; });

class RealBatchInvarianceOfTier : public testing::TestWithParam<test::Tier> {};

TEST_P(RealBatchInvarianceOfTier, RealModel) {
  const std::string model = test::real_model();
  WDE_SKIP_WITHOUT(model, "all-MiniLM-L6-v2 (WDE_TEST_MODEL)");
  WDE_SKIP_REFUSED(GetParam());
  expect_invariance(model, GetParam().isa, GetParam().dtype, 24, {3, 64});
}

INSTANTIATE_TEST_SUITE_P(Tiers, RealBatchInvarianceOfTier,
                         testing::ValuesIn(test::tiers_for_real_models()), test::tier_name);

TEST(BatchInvariance, RealModelF32) {
  const std::string model = test::real_model();
  WDE_SKIP_WITHOUT(model, "all-MiniLM-L6-v2 (WDE_TEST_MODEL)");
  expect_invariance(model, "", "f32", 40, kBatchSizes);
}

TEST(BatchInvariance, RealModelBf16) {
  const std::string model = test::real_model();
  WDE_SKIP_WITHOUT(model, "all-MiniLM-L6-v2 (WDE_TEST_MODEL)");
  expect_invariance(model, "", "bf16", 40, kBatchSizes);
}

TEST(BatchInvariance, RealModelInt8) {
  const std::string model = test::real_model();
  WDE_SKIP_WITHOUT(model, "all-MiniLM-L6-v2 (WDE_TEST_MODEL)");
  expect_invariance(model, "", "int8", 40, kBatchSizes);
}

TEST(AttentionBackends, NaiveAndFlashAgree) {
  const std::string model = test::real_model();
  WDE_SKIP_WITHOUT(model, "all-MiniLM-L6-v2 (WDE_TEST_MODEL)");
  const std::vector<std::string> texts = make_texts(60);
  const Rows flash = embed(model, "f32", {.executor = "simple", .attention = "flash"}, texts, 1);
  const Rows naive = embed(model, "f32", {.executor = "simple", .attention = "naive"}, texts, 1);
  float largest = 0;
  for (size_t i = 0; i < texts.size(); ++i) {
    largest = std::max(largest, test::largest_difference(flash[i], naive[i]));
  }
  std::printf("naive and flash: largest difference %.3g\n", largest);
  EXPECT_LE(largest, 1e-5f);
}

}  // namespace
}  // namespace wde
