// Byte-pair encoding beside its goldens: the two ways of merging against each other, the cache of
// words from several threads, and files that are broken.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/json/array.hpp>
#include <boost/json/serialize.hpp>
#include <random>
#include <thread>

#include "base/json.h"
#include "support/paths.h"
#include "support/temporary_folder.h"
#include "tokenizer/merge_symbols.h"
#include "tokenizer/tokenizer.h"
#include "tokenizer/word_cache.h"

namespace wde::tokenizer {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

// What merge_symbols() promises, word for word: the pair of the lowest rank, the leftmost of
// equals, again and again.
std::vector<int32_t> merge_slowly(const MergeTable& merges, std::vector<int32_t> ids) {
  while (true) {
    size_t at = ids.size();
    Merge best;
    for (size_t i = 0; i + 1 < ids.size(); ++i) {
      const Merge merge = merges.find(ids[i], ids[i + 1]);
      if (merge.rank < best.rank) best = merge, at = i;
    }
    if (at == ids.size()) return ids;
    ids[at] = best.id;
    ids.erase(ids.begin() + static_cast<ptrdiff_t>(at) + 1);
  }
}

TEST(MergeSymbols, ShortAndLongWordsMergeAlike) {
  std::mt19937 random(3);
  std::vector<MergeTable::Pair> pairs;
  for (int32_t merged = 4; merged < 60; ++merged) {
    const auto any = [&] { return static_cast<int32_t>(random() % static_cast<uint32_t>(merged)); };
    pairs.push_back({any(), any(), merged});
  }
  const MergeTable merges(pairs);
  for (size_t length = 0; length < 3 * kMaxScannedSymbols; ++length) {
    std::vector<int32_t> ids(length);
    std::vector<Symbol> symbols(length);
    for (size_t i = 0; i < length; ++i) {
      ids[i] = static_cast<int32_t>(random() % 4);
      symbols[i] = {ids[i], 1};
    }
    const size_t count = merge_symbols(merges, symbols);
    std::vector<int32_t> merged;
    uint32_t total = 0;
    for (size_t i = 0; i < count; ++i) {
      merged.push_back(symbols[i].id);
      total += symbols[i].length;
    }
    ASSERT_EQ(merged, merge_slowly(merges, ids));
    ASSERT_EQ(total, length);
  }
}

TEST(MergeTable, OfEqualPairsTheLastCounts) {
  const MergeTable::Pair pairs[] = {{1, 2, 3}, {2, 1, 4}, {1, 2, 5}};
  const MergeTable merges(pairs);
  EXPECT_EQ(merges.find(1, 2).id, 5);
  EXPECT_EQ(merges.find(1, 2).rank, 2u);
  EXPECT_EQ(merges.find(2, 1).rank, 1u);
  EXPECT_EQ(merges.find(2, 2).rank, Merge::kNone);
  EXPECT_EQ(MergeTable().find(0, 0).rank, Merge::kNone);
}

// More words than it holds, from several threads at once: what it answers is always what was put
// in.
TEST(WordCache, AnswersWhatWasPutIn) {
  using Spelling = WordCache::Spelling;
  WordCache cache;
  const auto work = [&](unsigned seed) {
    std::mt19937 random(seed);
    for (int i = 0; i < 150000; ++i) {
      const auto number = static_cast<int32_t>(random() % 100000);
      const std::string word =
          std::string(static_cast<size_t>(number % 40), 'x') + std::to_string(number);
      const Spelling spelling = number % 2 == 0 ? Spelling::kText : Spelling::kBytes;
      const std::vector<int32_t> expected(static_cast<size_t>(number % 4), number);
      const uint64_t hash = WordCache::hash_of(word, spelling);
      std::vector<int32_t> ids;
      if (cache.append(word, spelling, hash, ids))
        ASSERT_EQ(ids, expected);
      else
        cache.insert(word, spelling, hash, expected);
    }
  };
  std::vector<std::jthread> threads;
  for (unsigned seed = 0; seed < 3; ++seed) threads.emplace_back(work, seed);
}

TEST(WordCache, TellsSpellingsApartAndLeavesLongWordsOut) {
  using Spelling = WordCache::Spelling;
  WordCache cache;
  std::vector<int32_t> ids;
  const auto put = [&](const std::string& word, std::vector<int32_t> with) {
    cache.insert(word, Spelling::kText, WordCache::hash_of(word, Spelling::kText), with);
  };
  const auto knows = [&](const std::string& word, Spelling spelling) {
    return cache.append(word, spelling, WordCache::hash_of(word, spelling), ids);
  };
  put("word", {1, 2});
  EXPECT_TRUE(knows("word", Spelling::kText));
  EXPECT_THAT(ids, ElementsAre(1, 2));
  EXPECT_FALSE(knows("word", Spelling::kBytes));
  put(std::string(WordCache::kMaxWordBytes + 1, 'a'), {1});
  EXPECT_FALSE(knows(std::string(WordCache::kMaxWordBytes + 1, 'a'), Spelling::kText));
  put("many", std::vector<int32_t>(WordCache::kMaxIds + 1));
  EXPECT_FALSE(knows("many", Spelling::kText));
}

json::object small_spec() {
  return json::parse(R"({"version": "1.0", "model": {"type": "BPE", "unk_token": "?",
    "vocab": {"?": 0, "a": 1, "b": 2, "ab": 3, "abab": 4}, "merges": ["a b", ["ab", "ab"]]}})")
      .value()
      .as_object();
}

TEST(Bpe, MergesInBothSpellings) {
  const auto tokenizer = load_tokenizer_json(boost::json::serialize(small_spec())).value();
  EXPECT_THAT(tokenizer->encode("ababab\u2603b", std::nullopt, {}).value().ids,
              ElementsAre(4, 3, 0, 2));
}

void expect_refused(std::string_view key, std::string_view member, StatusCode code,
                    std::string_view message) {
  SCOPED_TRACE(member);
  json::object spec = small_spec();
  spec["model"].as_object()[key] = json::parse(member).value();
  const Status status = load_tokenizer_json(boost::json::serialize(spec)).status();
  EXPECT_EQ(status.code(), code) << status.message();
  EXPECT_THAT(status.message(), HasSubstr(std::string(message)));
}

TEST(Bpe, RefusesBrokenFiles) {
  const auto refused = [](std::string_view key, std::string_view member, std::string_view message) {
    expect_refused(key, member, StatusCode::kDataLoss, message);
  };
  refused("merges", R"(["a c"])", "merge 0 names \"c\"");
  refused("merges", R"(["a b", "b a"])", "merge 1 names \"ba\"");
  refused("merges", R"(["a  b"])", "merge 0 must be");
  refused("merges", R"(["ab"])", "merge 0 must be");
  refused("merges", R"([["a"]])", "merge 0 must be");
  refused("merges", R"([["a", 2]])", "merge 0 must be");
  refused("merges", R"([7])", "merge 0 must be");
  refused("merges", R"({})", "\"merges\"");
  refused("merges", "null", "\"vocab\" or \"merges\" is missing");
  refused("vocab", "null", "\"vocab\" or \"merges\" is missing");
  refused("unk_token", R"("nowhere")", "unknown token \"nowhere\"");
  refused("continuing_subword_prefix", R"("####")", "lacks the prefix");
  refused("end_of_word_suffix", "\"" + std::string(65, 'x') + "\"", "more than 64 bytes");
  expect_refused("dropout", "0.1", StatusCode::kUnsupported, "dropout 0.1");
}

// A merge may make what it is made of: that ends, for a word only gets shorter.
TEST(Bpe, CyclicMergesEnd) {
  json::object spec = small_spec();
  spec["model"] =
      json::parse(R"({"type": "BPE", "vocab": {"": 1, "a": 0}, "merges": [["", "a"], ["a", ""]]})")
          .value();
  const auto tokenizer = load_tokenizer_json(boost::json::serialize(spec)).value();
  EXPECT_THAT(tokenizer->encode("aa", std::nullopt, {}).value().ids, ElementsAre(0, 0));
}

TEST(Bpe, AHostileExpressionIsAnErrorOfTheText) {
  json::object spec = small_spec();
  spec["pre_tokenizer"] =
      json::parse(
          R"({"type": "Split", "pattern": {"Regex": "(?:a+a+)+b|(a*)*c"}, "behavior": "Isolated"})")
          .value();
  const auto tokenizer = load_tokenizer_json(boost::json::serialize(spec)).value();
  EXPECT_TRUE(tokenizer->encode("abab", std::nullopt, {}).ok());
  const Status status = tokenizer->encode(std::string(5000, 'a'), std::nullopt, {}).status();
  EXPECT_EQ(status.code(), StatusCode::kInvalidArgument);
  EXPECT_THAT(status.message(), HasSubstr("takes too long"));
}

// vocab.json and merges.txt with a configuration, and the message of their refusal.
void expect_folder_refused(const std::string& config, const std::string& merges, StatusCode code,
                           std::string_view message) {
  SCOPED_TRACE(config);
  const test::TemporaryFolder folder;
  folder.write("vocab.json", R"({"<|endoftext|>": 0, "a": 1, "b": 2, "ab": 3})");
  folder.write("merges.txt", merges);
  folder.write("tokenizer_config.json", config);
  const Status status = load_tokenizer(folder.root()).status();
  EXPECT_EQ(status.code(), code) << status.message();
  EXPECT_THAT(status.message(), HasSubstr(std::string(message)));
}

TEST(MergesFolder, RefusesByName) {
  const std::string gpt2 = R"({"tokenizer_class": "GPT2TokenizerFast"})";
  expect_folder_refused(gpt2, "#version: 0.2\r\na b\r\n", StatusCode::kOk, "");
  expect_folder_refused(gpt2, "a b\na c\n", StatusCode::kDataLoss, "merge 1 names \"c\"");
  expect_folder_refused(gpt2, "ab\n", StatusCode::kDataLoss, "merge 0 must be");
  expect_folder_refused(gpt2, "\xFF \xFF\n", StatusCode::kDataLoss, "not UTF-8");
  expect_folder_refused("{}", "a b\n", StatusCode::kUnsupported,
                        "known with vocab.json and merges.txt: GPT2Tokenizer, RobertaTokenizer");
  expect_folder_refused(R"({"tokenizer_class": "SplinterTokenizer"})", "a b\n",
                        StatusCode::kUnsupported, "SplinterTokenizer");
  expect_folder_refused("[]", "a b\n", StatusCode::kDataLoss, "expected a JSON object");
  expect_folder_refused(
      R"({"tokenizer_class": "GPT2Tokenizer", "added_tokens_decoder": {"9": {}}})", "a b\n",
      StatusCode::kDataLoss, "an added token has no content");
  expect_folder_refused(R"({"tokenizer_class": "RobertaTokenizer", "cls_token": null})", "a b\n",
                        StatusCode::kDataLoss, "has no id");
}

// Many threads share one tokenizer and its cache.
TEST(Bpe, ThreadsAgree) {
  const auto tokenizer = load_tokenizer(test::fixture("tokenizer/fixture_bpe")).value();
  const std::string text = "The clock of the old bridge: it's 12345 o'clock, yes  <mask> Ångström";
  const std::vector<int32_t> expected = tokenizer->encode(text, std::nullopt, {}).value().ids;
  std::vector<std::jthread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&, i] {
      for (int round = 0; round < 200; ++round) {
        const std::string own = text + std::to_string(i * round);
        const auto ids = tokenizer->encode(own, std::nullopt, {}).value().ids;
        ASSERT_TRUE(std::equal(expected.begin(), expected.end() - 1, ids.begin()));
      }
    });
  }
}

}  // namespace
}  // namespace wde::tokenizer
