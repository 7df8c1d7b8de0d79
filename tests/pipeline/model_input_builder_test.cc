#include "pipeline/model_input_builder.h"

#include <gtest/gtest.h>

#include <numeric>
#include <random>

namespace wde::pipeline {
namespace {

schema::SchedulableRequest make_request(std::vector<int32_t> ids, std::vector<int32_t> type_ids,
                                        int skip = 0) {
  schema::SchedulableRequest request;
  request.ids = std::move(ids);
  request.type_ids = std::move(type_ids);
  request.pooling_skip = skip;
  return request;
}

TEST(ModelInputBuilder, PacksWithoutPaddingLongestFirst) {
  const ModelInputBuilder builder({.position_offset = 2, .type_vocab_size = 2, .shards = {}});
  schema::Batch batch;
  batch.requests.push_back(make_request({7, 8}, {0, 1}, 1));
  batch.requests.push_back(make_request({4, 5, 6}, {0, 0, 1}));
  batch.tokens = 5;
  std::vector<int32_t> block(schema::ModelInput::capacity(8, 4), -1);
  const schema::ModelInput input = builder.build(&batch, block);
  ASSERT_EQ(input.shards.size(), 1u);
  EXPECT_EQ(input.used(), 3 * 5 + 2 + 2 + 3u);
  const std::vector<int32_t> expected = {4, 5, 6, 7, 8, 2, 3, 4, 2, 3, 0,
                                         0, 1, 0, 1, 0, 1, 3, 2, 0, 3, 5};
  EXPECT_EQ(std::vector<int32_t>(block.begin(),
                                 block.begin() + static_cast<std::ptrdiff_t>(input.used())),
            expected);
  EXPECT_EQ(input.shards[0].max_seqlen, 3);
}

TEST(ModelInputBuilder, APaddingTokenTakesNoPosition) {
  const ModelInputBuilder builder({.position_offset = 2, .padding_id = 1, .shards = {}});
  schema::Batch batch;
  batch.requests.push_back(make_request({1, 7, 1, 1, 8, 9, 1}, std::vector<int32_t>(7)));
  batch.requests.push_back(make_request({5, 1, 6}, std::vector<int32_t>(3)));
  batch.tokens = 10;
  std::vector<int32_t> block(schema::ModelInput::capacity(10, 2), -1);
  const schema::ModelInput input = builder.build(&batch, block);
  const int32_t* positions = block.data() + input.positions_offset();
  EXPECT_EQ(std::vector<int32_t>(positions, positions + 10),
            (std::vector<int32_t>{1, 2, 1, 1, 3, 4, 1, 2, 1, 3}));
}

TEST(ModelInputBuilder, ALongTextIsOneShardInChunks) {
  const ModelInputBuilder builder(
      {.shards = {.lanes = 2, .shard_tokens = 4, .max_shard_tokens = 8}, .chunk_rows = 32});
  schema::Batch batch;
  batch.requests.push_back(make_request(std::vector<int32_t>(100, 3), std::vector<int32_t>(100)));
  batch.tokens = 100;
  std::vector<int32_t> block(schema::ModelInput::capacity(100, 1));
  EXPECT_EQ(builder.build(&batch, block).chunk_rows, 0);
  batch.long_text = true;
  const schema::ModelInput input = builder.build(&batch, block);
  EXPECT_EQ(input.chunk_rows, 32);
  ASSERT_EQ(input.shards.size(), 1u);
  EXPECT_EQ(input.shards[0].tokens, 100);
}

TEST(ModelInputBuilder, EveryShardCountsFromZero) {
  const ModelInputBuilder builder(
      {.type_vocab_size = 0, .shards = {.lanes = 2, .shard_tokens = 4, .max_shard_tokens = 8}});
  schema::Batch batch;
  for (int i = 0; i < 4; ++i) batch.requests.push_back(make_request({i, i}, {1, 1}));
  batch.tokens = 8;
  std::vector<int32_t> block(schema::ModelInput::capacity(8, 4));
  const schema::ModelInput input = builder.build(&batch, block);
  ASSERT_EQ(input.shards.size(), 2u);
  for (const schema::Shard& shard : input.shards) {
    const int32_t* cu = block.data() + input.cu_seqlens_offset() + shard.cu_seqlens_begin;
    EXPECT_EQ(std::vector<int32_t>(cu, cu + 3), (std::vector<int32_t>{0, 2, 4}));
  }
  // A model without token types gets zeros.
  EXPECT_EQ(block[input.type_ids_offset()], 0);
}

TEST(ModelInputBuilder, TypesThatTheModelLacksAreZero) {
  for (const auto& [type_vocab_size, expected] :
       {std::pair{0, std::vector<int32_t>{0, 0, 0}}, {1, {0, 0, 0}}, {2, {0, 1, 1}}}) {
    const ModelInputBuilder builder({.type_vocab_size = type_vocab_size, .shards = {}});
    schema::Batch batch;
    batch.requests.push_back(make_request({7, 8, 9}, {0, 1, 1}));
    batch.tokens = 3;
    std::vector<int32_t> block(schema::ModelInput::capacity(3, 1), -1);
    const schema::ModelInput input = builder.build(&batch, block);
    const int32_t* types = block.data() + input.type_ids_offset();
    EXPECT_EQ(std::vector<int32_t>(types, types + 3), expected) << type_vocab_size << " types";
  }
}

// The rows come in the order of the tokens, and the answers are given in that of the batch.
TEST(ModelInputBuilder, TheBatchIsSortedAsItsTokensAreAndEqualLengthsKeepTheirOrder) {
  const ModelInputBuilder builder({.shards = {}});
  schema::Batch batch;
  std::vector<int32_t> shorter, expected;  // enough of them that an unstable sort would show
  for (int32_t id = 0; id < 60; id += 2) {
    batch.requests.push_back(make_request({id}, {0}));
    batch.requests.push_back(make_request({id + 1, id + 1}, {0, 0}, 1));
    shorter.push_back(id);
    expected.push_back(id + 1);
  }
  expected.insert(expected.end(), shorter.begin(), shorter.end());
  for (auto& request : batch.requests) request.task = Task::kHidden;
  batch.tokens = 90;
  std::vector<int32_t> block(schema::ModelInput::capacity(90, 60));
  const schema::ModelInput input = builder.build(&batch, block);
  const int32_t* cu_seqlens = block.data() + input.cu_seqlens_offset();
  for (size_t b = 0; b < 60; ++b) {
    EXPECT_EQ(batch.requests[b].ids.front(), expected[b]);
    EXPECT_EQ(block[static_cast<size_t>(cu_seqlens[b])], expected[b]);
    EXPECT_EQ(block[input.skip_offset() + b], b < 30 ? 1 : 0);
  }
  EXPECT_EQ(input.task, Task::kHidden);
}

TEST(ModelInputBuilder, AShardASequenceStillFitsTheCapacity) {
  const ModelInputBuilder builder(
      {.shards = {.lanes = 4, .shard_tokens = 1, .max_shard_tokens = 2}});
  schema::Batch batch;
  for (int i = 0; i < 4; ++i) batch.requests.push_back(make_request({i, i}, {0, 0}));
  batch.tokens = 8;
  std::vector<int32_t> block(schema::ModelInput::capacity(8, 4), -1);
  const schema::ModelInput input = builder.build(&batch, block);
  EXPECT_EQ(input.shards.size(), 4u);
  ASSERT_LE(input.used(), block.size());
  for (size_t i = input.used(); i < block.size(); ++i) EXPECT_EQ(block[i], -1);
}

ModelInputBuilder sharing_builder(int unit, ShardPolicy shards = {}) {
  return ModelInputBuilder(
      {.prefix_sharing = {{.task = Task::kEmbed}}, .prefix_unit = unit, .shards = shards});
}

TEST(ModelInputBuilder, ASharedPrefixIsThereOnce) {
  schema::Batch batch;
  batch.requests.push_back(make_request({1, 2, 9}, {0, 0, 0}));
  batch.requests.push_back(make_request({1, 2, 3, 4, 5}, {0, 0, 0, 0, 0}, 3));
  batch.requests.push_back(make_request({7}, {0}));
  batch.tokens = 9;
  std::vector<int32_t> block(schema::ModelInput::capacity(9, 3), -9);
  const schema::ModelInput input = sharing_builder(2).build(&batch, block);
  ASSERT_EQ(input.shards.size(), 2u);
  EXPECT_EQ(input.tokens, 7);
  EXPECT_EQ(input.sequences, 3);
  EXPECT_EQ(input.segments, 4);
  EXPECT_EQ(input.shards[0].max_seqlen, 5);
  const std::vector<int32_t> expected = {1,  2, 3, 4, 5, 9, 7,  // ids
                                         0,  1, 2, 3, 4, 2, 0,  // positions
                                         0,  0, 0, 0, 0, 0, 0,  // types
                                         1,  0, 0,              // skip
                                         5,  3, 1,              // keys
                                         0,  2, 5, 6, 0, 1,     // cu_seqlens
                                         -1, 0, 0, -1};         // continues
  EXPECT_EQ(std::vector<int32_t>(block.begin(),
                                 block.begin() + static_cast<std::ptrdiff_t>(input.used())),
            expected);
  EXPECT_EQ(batch.requests[0].tokens(), 5);
  EXPECT_EQ(batch.requests[1].tokens(), 3);
}

TEST(ModelInputBuilder, OtherTasksShareNothing) {
  schema::Batch batch;
  for (int i = 0; i < 3; ++i) batch.requests.push_back(make_request({1, 2, 3}, {0, 0, 0}));
  for (auto& request : batch.requests) request.task = Task::kHidden;
  batch.tokens = 9;
  std::vector<int32_t> block(schema::ModelInput::capacity(9, 3));
  const schema::ModelInput input = sharing_builder(1).build(&batch, block);
  EXPECT_FALSE(input.shares_prefixes());
  EXPECT_EQ(input.tokens, 9);
}

// Undone, a batch that shares prefixes is the batch: every request's tokens, in the requests'
// order.
TEST(ModelInputBuilder, SharedPrefixesLoseNothing) {
  std::mt19937 random(5);
  for (int trial = 0; trial < 200; ++trial) {
    schema::Batch batch;
    const int count = std::uniform_int_distribution(1, 40)(random);
    for (int i = 0; i < count; ++i) {
      std::vector<int32_t> ids(std::uniform_int_distribution<size_t>(1, 40)(random));
      // Few different tokens at the beginning, so that prefixes of many lengths meet.
      for (size_t k = 0; k < ids.size(); ++k) {
        ids[k] =
            std::uniform_int_distribution(0, k < 20 ? static_cast<int>(k % 5 == 4) : 9)(random);
      }
      batch.tokens += static_cast<int64_t>(ids.size());
      const size_t size = ids.size();
      batch.requests.push_back(make_request(std::move(ids), std::vector<int32_t>(size)));
    }
    std::vector<int32_t> block(schema::ModelInput::capacity(batch.tokens, count), -1);
    const ShardPolicy policy = {.lanes = 2, .shard_tokens = 16, .max_shard_tokens = 80};
    const schema::ModelInput input = sharing_builder(4, policy).build(&batch, block);
    ASSERT_LE(input.tokens, batch.tokens);
    size_t b = 0;
    for (const schema::Shard& shard : input.shards) {
      EXPECT_LE(shard.tokens, 80);
      EXPECT_EQ(shard.prefix_tokens % 4, 0);
      const int32_t* cu = block.data() + input.cu_seqlens_offset() + shard.cu_seqlens_begin;
      const int32_t* ids = block.data() + shard.token_begin;
      const int32_t* positions = ids + input.positions_offset();
      for (int64_t s = shard.prefixes(); s < shard.segments(); ++s, ++b) {
        std::vector<int32_t> text(ids, ids + shard.prefix_tokens);
        text.insert(text.end(), ids + cu[s], ids + cu[s + 1]);
        EXPECT_GT(cu[s + 1], cu[s]);
        EXPECT_EQ(text, batch.requests[b].ids);
        EXPECT_EQ(positions[cu[s]], shard.prefix_tokens);
        EXPECT_TRUE(shard.prefixes() == 0 || shard.sequences > 1);
        EXPECT_LE(static_cast<int>(text.size()), shard.max_seqlen);
      }
    }
    EXPECT_EQ(b, batch.requests.size());
  }
}

// For any lengths: shards cover all sequences once, in order, and never exceed the hard limit.
TEST(PlanShards, CoversEverythingWithinTheLimit) {
  std::mt19937 random(3);
  for (int trial = 0; trial < 3000; ++trial) {
    const int max_length = 1 + static_cast<int>(random() % 300);
    std::vector<int32_t> lengths(1 + random() % 200);
    for (int32_t& length : lengths)
      length = 1 + static_cast<int32_t>(random() % static_cast<unsigned>(max_length));
    const ShardPolicy policy{.lanes = 1 + static_cast<int>(random() % 9),
                             .shard_tokens = 1 + static_cast<int64_t>(random() % 600),
                             .max_shard_tokens = 600 + max_length};
    int64_t token = 0, sequence = 0, entry = 0;
    for (const schema::Shard& shard : plan_shards(lengths, policy)) {
      ASSERT_EQ(shard.token_begin, token);
      ASSERT_EQ(shard.sequence_begin, sequence);
      ASSERT_EQ(shard.cu_seqlens_begin, entry);
      ASSERT_GE(shard.sequences, 1);
      ASSERT_LE(shard.tokens, policy.max_shard_tokens);
      const auto first = lengths.begin() + sequence;
      ASSERT_EQ(shard.tokens, std::accumulate(first, first + shard.sequences, int64_t{0}));
      ASSERT_EQ(shard.max_seqlen, *std::max_element(first, first + shard.sequences));
      token += shard.tokens;
      sequence += shard.sequences;
      entry += shard.sequences + 1;
    }
    ASSERT_EQ(sequence, static_cast<int64_t>(lengths.size()));
  }
}

TEST(PlanShards, EvenLengthsGiveEvenShards) {
  const std::vector<int32_t> lengths(64, 16);
  const auto shards =
      plan_shards(lengths, {.lanes = 2, .shard_tokens = 256, .max_shard_tokens = 512});
  ASSERT_EQ(shards.size(), 4u);
  for (const schema::Shard& shard : shards) EXPECT_EQ(shard.tokens, 256);
}

TEST(PlanShards, OneShardUnlessAsked) {
  const std::vector<int32_t> lengths = {5, 4, 3};
  EXPECT_EQ(plan_shards(lengths, {.lanes = 2}).size(), 1u);
}

TEST(PlanShards, TheHardLimitHoldsWhereOneShardIsAimedAt) {
  const std::vector<int32_t> lengths = {5, 4, 3};
  const auto shards = plan_shards(lengths, {.lanes = 4, .shard_tokens = 0, .max_shard_tokens = 7});
  ASSERT_EQ(shards.size(), 2u);
  EXPECT_EQ(shards[0].tokens, 5);
  EXPECT_EQ(shards[1].tokens, 7);
}

TEST(PlanShards, FewSequencesStayTogetherForTheOpsToSplit) {
  const std::vector<int32_t> lengths = {100};
  EXPECT_EQ(plan_shards(lengths, {.lanes = 2, .shard_tokens = 32, .max_shard_tokens = 200}).size(),
            1u);
}

}  // namespace
}  // namespace wde::pipeline
