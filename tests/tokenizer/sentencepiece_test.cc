// Sentencepiece's parts beside the goldens: what hostile models, charsmaps and vocabularies do, and
// that long texts stay linear.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/json/array.hpp>
#include <boost/json/serialize.hpp>
#include <cstring>
#include <limits>

#include "base/file.h"
#include "base/json.h"
#include "support/paths.h"
#include "support/temporary_folder.h"
#include "tokenizer/base64.h"
#include "tokenizer/sentencepiece_model.h"
#include "tokenizer/tokenizer.h"

namespace wde::tokenizer {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

std::string little_endian(std::initializer_list<uint32_t> words) {
  std::string bytes;
  for (const uint32_t word : words) {
    for (int shift = 0; shift < 32; shift += 8) bytes += static_cast<char>(word >> shift);
  }
  return bytes;
}

// A field of a protobuf message, and one that is itself a message or bytes.
std::string varint(uint64_t value) {
  std::string bytes;
  for (; value >= 0x80; value >>= 7) bytes += static_cast<char>(value | 0x80);
  return bytes + static_cast<char>(value);
}
std::string number(int field, uint64_t value) {
  return varint(static_cast<uint64_t>(field) << 3) + varint(value);
}
std::string bytes(int field, const std::string& content) {
  return varint(static_cast<uint64_t>(field) << 3 | 2) + varint(content.size()) + content;
}
std::string piece(const std::string& text, float score, int kind) {
  std::string bits(4, '\0');
  std::memcpy(bits.data(), &score, 4);
  return bytes(1,
               bytes(1, text) + varint(2 << 3 | 5) + bits + number(3, static_cast<uint64_t>(kind)));
}

std::string small_model() {
  return piece("<unk>", 0, 2) + piece("<s>", 0, 3) + piece("</s>", 0, 3) + piece("\u2581a", -1, 1) +
         piece("b", -2, 1) + bytes(2, number(3, 1) + number(40, 0));
}

std::string message_of(const Status& status) { return std::string(status.message()); }

Result<std::unique_ptr<Tokenizer>> load_model(const std::string& model, const std::string& type) {
  const test::TemporaryFolder folder;
  folder.write("tokenizer.model", model);
  folder.write("config.json", R"({"model_type": ")" + type + "\"}");
  return load_tokenizer(folder.root());
}

json::object unigram_spec(std::string_view vocab) {
  json::object spec;
  spec["model"] = {{"type", "Unigram"}, {"unk_id", 0}, {"byte_fallback", false}};
  spec["model"].as_object()["vocab"] = json::parse(vocab).value();
  return spec;
}

Result<std::unique_ptr<Tokenizer>> load(const json::object& spec) {
  return load_tokenizer_json(boost::json::serialize(spec));
}

std::vector<int32_t> ids_of(const Tokenizer& tokenizer, std::string_view text) {
  return tokenizer.encode(text, std::nullopt, {}).value().ids;
}

Status load_charsmap(const std::string& charsmap) {
  json::object spec = unigram_spec(R"([["<unk>", 0], ["a", -1]])");
  spec["normalizer"] = {{"type", "Precompiled"}, {"precompiled_charsmap", encode_base64(charsmap)}};
  const auto loaded = load(spec);
  if (loaded.ok()) (void)ids_of(**loaded, "a\u0301b\xff 1\u20dd");
  return loaded.status();
}

TEST(SentencepieceModel, ReadsWhatItNeeds) {
  const auto model = SentencepieceModel::parse(
      small_model() + bytes(2, number(35, 1) + bytes(45, "?")) + bytes(3, bytes(2, "map")) +
      bytes(99, "unknown field") + number(98, 7));
  ASSERT_TRUE(model.ok()) << model.status().message();
  ASSERT_EQ(model->pieces.size(), 5u);
  EXPECT_EQ(model->pieces[3].text, "\u2581a");
  EXPECT_EQ(model->pieces[3].score, -1);
  EXPECT_EQ(model->pieces[1].kind, SentencepieceModel::Kind::kControl);
  EXPECT_TRUE(model->byte_fallback);
  EXPECT_EQ(model->unknown_piece, "?");
  EXPECT_EQ(model->charsmap, "map");
}

TEST(SentencepieceModel, EveryTruncationIsAnErrorOrAModel) {
  const std::string whole =
      read_file(test::fixture("tokenizer/sentencepiece/t5.model"), 1 << 20).value();
  ASSERT_TRUE(SentencepieceModel::parse(whole).ok());
  size_t refused = 0;
  for (size_t size = 0; size < whole.size(); ++size) {
    const auto model = SentencepieceModel::parse(std::string_view(whole).substr(0, size));
    refused += !model.ok();
    if (!model.ok()) {
      EXPECT_EQ(model.status().code(), StatusCode::kDataLoss);
    }
  }
  EXPECT_GT(refused, whole.size() / 2);
}

TEST(SentencepieceModel, RefusesHostileFiles) {
  const auto refused = [](const std::string& model, const char* message) {
    SCOPED_TRACE(message);
    const Status status = SentencepieceModel::parse(model).status();
    EXPECT_EQ(status.code(), StatusCode::kDataLoss);
    EXPECT_THAT(message_of(status), HasSubstr(message));
  };
  refused("", "0 pieces");
  refused("{}", "cut off");
  refused(varint(1 << 3 | 2) + varint(1ull << 31), "cut off");
  refused(varint(1 << 3 | 2) + varint(~0ull), "cut off");
  refused(bytes(1, varint(1 << 3 | 2) + varint(100) + "short") + std::string(200, 'x'), "cut off");
  refused(std::string(100000, '\x0b'), "cut off");  // groups within groups
  refused(small_model() + piece("\xff", 0, 1), "piece 5 is no text");
  refused(small_model() + piece("", 0, 1), "piece 5 is no text");
  refused(small_model() + piece("c", std::numeric_limits<float>::quiet_NaN(), 1), "score");
  refused(small_model() + piece("c", std::numeric_limits<float>::infinity(), 1), "score");
  refused(small_model() + bytes(2, number(40, 5)), "number 5 of 5");
  refused(small_model() + bytes(2, number(40, ~0ull)), "number -1 of 5");
}

std::string bpe_model(const std::string& pieces) {
  return piece("<unk>", 0, 2) + piece("<s>", 0, 3) + piece("</s>", 0, 3) + pieces +
         bytes(2, number(3, 2) + number(40, 0));
}

// To look for every way to cut it would take hours.
TEST(SentencepieceModel, ALongPieceIsRefusedBeforeItsMergesAreLookedFor) {
  const std::string long_piece =
      bpe_model(piece("a", -1, 1) + piece(std::string(4 << 20, 'a'), -2, 1));
  EXPECT_THAT(message_of(load_model(long_piece, "llama").status()),
              HasSubstr("piece 4 has 4194304 bytes; at most 1024"));
  EXPECT_TRUE(
      load_model(bpe_model(piece("a", -1, 1) + piece(std::string(1024, 'a'), -2, 1)), "llama")
          .ok());
}

TEST(SentencepieceModel, PiecesOfEveryLengthHaveTooManyMerges) {
  std::string pieces;
  for (size_t length = 1; length <= 1024; ++length)
    pieces += piece(std::string(length, 'a'), -1, 1);
  EXPECT_THAT(message_of(load_model(bpe_model(pieces), "llama").status()),
              HasSubstr("ways to merge its pieces"));
}

TEST(SentencepieceFolder, NamesWhatItDoesNotKnow) {
  const Status family = load_model(small_model(), "reformer").status();
  EXPECT_EQ(family.code(), StatusCode::kUnsupported);
  EXPECT_THAT(message_of(family), HasSubstr("\"reformer\"; known: XLMRobertaTokenizer, Camem"));
  const Status algorithm = load_model(small_model() + bytes(2, number(3, 4)), "llama").status();
  EXPECT_EQ(algorithm.code(), StatusCode::kUnsupported);
  EXPECT_THAT(message_of(algorithm), HasSubstr("type 4"));
  const Status suffix = load_model(small_model() + bytes(2, number(24, 1)), "llama").status();
  EXPECT_EQ(suffix.code(), StatusCode::kUnsupported);
  EXPECT_THAT(message_of(suffix), HasSubstr("treat_whitespace_as_suffix"));
  const Status special = load_model(small_model(), "gemma").status();
  EXPECT_TRUE(special.ok()) << special.message();  // <bos> is added where the model lacks it
}

TEST(SentencepieceFolder, UnigramWithByteFallback) {
  std::string model = small_model();
  for (int byte = 0; byte < 256; ++byte) model += piece(fmt::format("<0x{:02X}>", byte), -9, 6);
  const auto tokenizer = load_model(model, "llama").value();
  EXPECT_THAT(ids_of(*tokenizer, "ab\u00e9"), ElementsAre(1, 3, 4, 5 + 0xC3, 5 + 0xA9));
  EXPECT_EQ(tokenizer->decode(ids_of(*tokenizer, "ab\u00e9"), true).value(), "ab\u00e9");
}

TEST(Unigram, RefusesHostileVocabularies) {
  const auto refused = [](std::string_view vocab, const char* message) {
    SCOPED_TRACE(vocab);
    const Status status = load(unigram_spec(vocab)).status();
    EXPECT_EQ(status.code(), StatusCode::kDataLoss);
    EXPECT_THAT(message_of(status), HasSubstr(message));
  };
  refused("[]", "\"unk_id\" is 0 in a vocabulary of 0");
  refused("{}", "array");
  refused(R"(["a"])", "[0] must be [token, score]");
  refused(R"([["a"]])", "[0] must be [token, score]");
  refused(R"([["a", "b"]])", "[0] must be [token, score]");
  refused(R"([["a", 0], [1, 0]])", "[1] must be [token, score]");
  json::object spec = unigram_spec(R"([["a", 0]])");
  spec["model"].as_object()["unk_id"] = nullptr;
  EXPECT_EQ(load(spec).status().code(), StatusCode::kUnsupported);
  spec["model"].as_object()["unk_id"] = 1;
  EXPECT_EQ(load(spec).status().code(), StatusCode::kDataLoss);
}

TEST(Unigram, OfEqualTokensTheLastCounts) {
  const auto tokenizer =
      load(unigram_spec(R"([["<unk>", 0], ["a", -1], ["a", -50], ["aa", -3], ["b", -1]])")).value();
  EXPECT_EQ(tokenizer->vocab_size(), 5);
  EXPECT_THAT(ids_of(*tokenizer, "ab"), ElementsAre(2, 4));
  EXPECT_EQ(tokenizer->id_to_token(1), "a");
}

TEST(Unigram, OfEqualWaysTheFirstFoundCounts) {
  const auto tokenizer =
      load(unigram_spec(
               R"([["<unk>", 0], ["a", -1], ["b", -1], ["ab", -2], ["c", -1], ["bc", -2]])"))
          .value();
  EXPECT_THAT(ids_of(*tokenizer, "ab"), ElementsAre(3));
  EXPECT_THAT(ids_of(*tokenizer, "abc"), ElementsAre(1, 5));
}

TEST(Unigram, ScoresMayOverflow) {
  const auto tokenizer =
      load(unigram_spec(R"([["<unk>", -1e308], ["a", -1.7e308], ["b", 1.7e308]])")).value();
  EXPECT_EQ(ids_of(*tokenizer, "aaaa").size(), 4u);
  EXPECT_EQ(ids_of(*tokenizer, "bbbbabab").size(), 8u);
  EXPECT_EQ(ids_of(*tokenizer, "xyz"), std::vector<int32_t>{0});
}

TEST(Unigram, LongWordsStayLinear) {
  const auto tokenizer =
      load_tokenizer(test::fixture("tokenizer/fixture_unigram")).value();  // does not split
  std::string text;
  while (text.size() < (1u << 20)) text += "a model of bridges \u4eac\u4eac";
  EncodeOptions options;
  options.offsets = true;
  const Encoding encoding = tokenizer->encode(text, std::nullopt, options).value();
  EXPECT_GT(encoding.ids.size(), text.size() / 8);
  EXPECT_EQ(ids_of(*tokenizer, text), encoding.ids);
  text.clear();
  while (text.size() < (1u << 20)) text += "\U0001F642";  // one unknown piece, in bytes
  EXPECT_EQ(ids_of(*tokenizer, text).size(), text.size() + 2);
}

// Units of a double array: a label, with a leaf or not, and the distance to its children.
constexpr uint32_t unit(uint32_t label, bool has_leaf, uint32_t offset) {
  return offset << 10 | (has_leaf ? 1u << 8 : 0) | label;
}
constexpr uint32_t leaf(uint32_t value) { return value | 1u << 31; }

// "a" becomes the text at `value`.
std::string one_rule(uint32_t value, const std::string& replacements) {
  std::vector<uint32_t> units(256, 0);
  units[0] = unit(0, false, 1);
  units['a' ^ 1] = unit('a', true, 2);
  units['a' ^ 1 ^ 2] = leaf(value);
  std::string array;
  for (const uint32_t word : units) array += little_endian({word});
  return little_endian({1024}) + array + replacements;
}

TEST(Precompiled, ReplacesByTheShortestKey) {
  json::object spec = unigram_spec(R"([["<unk>", 0], ["xy", -1], ["b", -1]])");
  spec["normalizer"] = {
      {"type", "Precompiled"},
      {"precompiled_charsmap", encode_base64(one_rule(2, std::string("z\0xy\0", 5)))}};
  const auto tokenizer = load(spec).value();
  EXPECT_THAT(ids_of(*tokenizer, "ab"), ElementsAre(1, 2));
  EXPECT_THAT(ids_of(*tokenizer, "a\u0301b"), ElementsAre(1, 2));  // a cluster goes as a whole
  EXPECT_THAT(ids_of(*tokenizer, "a\u0301\u0301\u0301b"), ElementsAre(1, 0, 2));  // a long one not
}

TEST(Precompiled, RefusesHostileCharsmaps) {
  const auto refused = [](const std::string& charsmap, const char* message) {
    SCOPED_TRACE(message);
    const Status status = load_charsmap(charsmap);
    EXPECT_EQ(status.code(), StatusCode::kDataLoss);
    EXPECT_THAT(message_of(status), HasSubstr(message));
  };
  refused("", "0 bytes");
  refused("abc", "3 bytes");
  refused(little_endian({0}), "says that its array has 0");
  refused(little_endian({8, 0}), "says that its array has 8");
  refused(little_endian({0xFFFFFFFF, 0}), "says that its array has 4294967295");
  refused(little_endian({4, 0}) + "\xff", "not UTF-8");
  refused(one_rule(100, "b"), "points outside");
  refused(one_rule(1, "\u00e9"), "points outside");
  EXPECT_TRUE(load_charsmap(one_rule(1, "b")).ok());  // the end is an empty text
  std::string cyclic = little_endian({1024});
  for (uint32_t i = 0; i < 256; ++i) cyclic += little_endian({unit(i, false, i)});
  refused(cyclic, "no tree");
  json::object spec = unigram_spec(R"([["<unk>", 0]])");
  spec["normalizer"] = {{"type", "Precompiled"}, {"precompiled_charsmap", "????"}};
  EXPECT_THAT(message_of(load(spec).status()), HasSubstr("base64"));
}

TEST(Precompiled, EveryByteMayBeWrong) {
  const auto model = SentencepieceModel::parse(
      read_file(test::fixture("tokenizer/sentencepiece/t5.model"), 1 << 20).value());
  const std::string& charsmap = model->charsmap;
  ASSERT_TRUE(load_charsmap(charsmap).ok());
  for (size_t at = 0; at < charsmap.size(); at += 7) {
    for (const int bit : {0, 3, 7}) {
      std::string spoilt = charsmap;
      spoilt[at] = static_cast<char>(spoilt[at] ^ 1 << bit);
      const Status status = load_charsmap(spoilt);
      EXPECT_TRUE(status.ok() || status.code() == StatusCode::kDataLoss ||
                  status.code() == StatusCode::kUnsupported);
    }
  }
}

TEST(Metaspace, OptionsOfAllAges) {
  const auto load_metaspace = [](std::string_view section) {
    json::object spec = unigram_spec(R"([["<unk>", 0], ["▁", -1], ["a", -1]])");
    spec["pre_tokenizer"] = json::parse(section).value();
    return load(spec);
  };
  const auto ids = [&](std::string_view section) {
    return ids_of(*load_metaspace(section).value(), "a");
  };
  EXPECT_THAT(ids(R"({"type": "Metaspace", "replacement": "▁", "add_prefix_space": true})"),
              ElementsAre(1, 2));
  EXPECT_THAT(ids(R"({"type": "Metaspace", "replacement": "▁", "add_prefix_space": false})"),
              ElementsAre(2));
  EXPECT_THAT(ids(R"({"type": "Metaspace", "replacement": "▁", "prepend_scheme": "never"})"),
              ElementsAre(2));
  EXPECT_THAT(ids(R"({"type": "Metaspace", "replacement": "▁", "prepend_scheme": "first"})"),
              ElementsAre(1, 2));
  const auto code = [&](std::string_view section) {
    return load_metaspace(section).status().code();
  };
  EXPECT_EQ(code(R"({"type": "Metaspace", "add_prefix_space": false, "prepend_scheme": "always"})"),
            StatusCode::kDataLoss);
  EXPECT_EQ(code(R"({"type": "Metaspace", "replacement": "ab"})"), StatusCode::kDataLoss);
  EXPECT_EQ(code(R"({"type": "Metaspace", "replacement": ""})"), StatusCode::kDataLoss);
  EXPECT_EQ(code(R"({"type": "Metaspace", "prepend_scheme": "second"})"), StatusCode::kUnsupported);
}

}  // namespace
}  // namespace wde::tokenizer
