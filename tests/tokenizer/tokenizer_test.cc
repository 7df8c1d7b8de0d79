// The tokenizer's contract beside the goldens: what is refused and how, ids that clients give, and
// what hostile files do.
#include "tokenizer/tokenizer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/json/array.hpp>
#include <boost/json/serialize.hpp>
#include <filesystem>
#include <thread>

#include "base/json.h"
#include "support/paths.h"
#include "support/temporary_folder.h"

namespace wde::tokenizer {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

std::unique_ptr<Tokenizer> fixture() {
  return load_tokenizer(test::fixture("tokenizer/fixture")).value();
}

// A tokenizer.json of a few tokens, to be spoilt.
json::object small_spec() {
  return json::parse(R"({
    "version": "1.0",
    "added_tokens": [{"id": 1, "content": "[CLS]", "special": true, "normalized": false}],
    "normalizer": {"type": "BertNormalizer", "lowercase": true},
    "pre_tokenizer": {"type": "BertPreTokenizer"},
    "post_processor": {"type": "TemplateProcessing",
      "single": [{"SpecialToken": {"id": "[CLS]", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
      "pair": [{"SpecialToken": {"id": "[CLS]", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}},
               {"Sequence": {"id": "B", "type_id": 1}}],
      "special_tokens": {"[CLS]": {"id": "[CLS]", "ids": [1], "tokens": ["[CLS]"]}}},
    "decoder": {"type": "WordPiece", "prefix": "##", "cleanup": true},
    "model": {"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##",
      "max_input_chars_per_word": 100,
      "vocab": {"[UNK]": 0, "[CLS]": 1, "a": 2, "##b": 3, "##bc": 4, "c": 5}}})")
      .value()
      .as_object();
}

Result<std::unique_ptr<Tokenizer>> load(const json::object& spec) {
  return load_tokenizer_json(boost::json::serialize(spec));
}

json::value parse(std::string_view text) { return json::parse(text).value(); }

// Sets spec[key] of the small tokenizer, and expects it to be refused.
void expect_refused(std::string_view key, std::string_view section, StatusCode code,
                    std::string_view message) {
  SCOPED_TRACE(section);
  json::object spec = small_spec();
  spec[key] = parse(section);
  const Status status = load(spec).status();
  EXPECT_EQ(status.code(), code) << status.message();
  EXPECT_THAT(status.message(), HasSubstr(std::string(message)));
}

void expect_model_refused(std::string_view key, std::string_view member, std::string_view message) {
  SCOPED_TRACE(member);
  json::object spec = small_spec();
  spec["model"].as_object()[key] = parse(member);
  const Status status = load(spec).status();
  EXPECT_EQ(status.code(), StatusCode::kDataLoss) << status.message();
  EXPECT_THAT(status.message(), HasSubstr(std::string(message)));
}

TEST(Tokenizer, GreedyLongestMatch) {
  const auto tokenizer = load(small_spec()).value();
  EXPECT_THAT(tokenizer->encode("abc AB c ac", std::nullopt, {}).value().ids,
              ElementsAre(1, 2, 4, 2, 3, 5, 0));
}

TEST(Tokenizer, NamesUnknownPartsAndTheKnownOnes) {
  const auto refused = [](std::string_view key, std::string_view section,
                          std::string_view message) {
    expect_refused(key, section, StatusCode::kUnsupported, message);
  };
  refused("normalizer", R"({"type": "Bidi"})",
          "normalizer \"Bidi\" is not implemented; known: BertNormalizer, Lower");
  refused("pre_tokenizer", R"({"type": "Syllables"})",
          "\"Syllables\" is not implemented; known: BertPreTokenizer");
  refused("model", R"({"type": "Trigram", "vocab": []})",
          "model \"Trigram\" is not implemented; known: WordPiece");
  refused("post_processor", R"({"type": "Sandwich"})", "known: TemplateProcessing");
  refused("decoder", R"({"type": "Sandwich"})", "known: WordPiece");
  refused("normalizer", R"({"type": "Sequence", "normalizers": [{"type": "Bidi"}]})", "\"Bidi\"");
  refused("version", R"("2.0")", "2.0");
}

TEST(Tokenizer, RefusesHostileVocabularies) {
  expect_model_refused("vocab", R"({"[UNK]": -1})", "[UNK]");
  expect_model_refused("vocab", R"({"[UNK]": 4294967296})", "[UNK]");
  expect_model_refused("vocab", R"({"[UNK]": 18446744073709551615})", "[UNK]");
  expect_model_refused("vocab", R"({"[UNK]": 1.5})", "[UNK]");
  expect_model_refused("vocab", R"({"[UNK]": "0"})", "[UNK]");
  expect_model_refused("vocab", R"({"[UNK]": 0, "[CLS]": 1, "x": 1})", "two tokens have the id 1");
  expect_model_refused("vocab", R"([["[UNK]", 0]])", "\"vocab\" must be an object");
  expect_model_refused("vocab", R"(null)", "\"vocab\" is missing");
  expect_model_refused("vocab", R"({"[CLS]": 1})",
                       "unknown token \"[UNK]\" is not in the vocabulary");
  expect_model_refused("unk_token", R"("nowhere")", "\"nowhere\"");
  expect_model_refused("max_input_chars_per_word", "-1", "negative");
  expect_model_refused("vocab", "{\"[UNK]\": 0, \"" + std::string(2000, 'a') + "\": 1}",
                       "2000 bytes");
}

TEST(Tokenizer, RefusesHostileTemplates) {
  const auto refused = [](std::string_view section, std::string_view message) {
    expect_refused("post_processor", section, StatusCode::kDataLoss, message);
  };
  refused(
      R"({"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "X"}}], "pair": []})",
      "\"X\"");
  refused(R"({"type": "TemplateProcessing", "single": [{"Sequence": {"id": "B"}}], "pair": []})",
          "sequence B");
  refused(R"({"type": "TemplateProcessing", "single": [{"Sequence": {"id": "C"}}], "pair": []})",
          "\"C\"");
  refused(
      R"({"type": "TemplateProcessing", "single": [{"Sequence": {"id": "A", "type_id": -1}}], "pair": []})",
      "type_id");
  refused(R"({"type": "TemplateProcessing", "single": [7], "pair": []})", "objects");
  refused(R"({"type": "TemplateProcessing", "single": []})", "\"pair\" is missing");
  refused(R"({"type": "BertProcessing", "cls": ["[CLS]", 1], "sep": ["[SEP]", 99]})",
          "99 is not in the vocabulary");
  refused(R"({"type": "BertProcessing", "cls": ["[CLS]", 1], "sep": ["[SEP]", -1]})", "31 bits");
  refused(R"({"type": "BertProcessing", "cls": 1, "sep": ["[SEP]", 1]})", "cls");
  std::string many =
      R"({"type": "TemplateProcessing", "pair": [], "special_tokens": {"x": {"ids": [1]}}, "single": [)";
  for (int i = 0; i < 1000; ++i) many += R"({"SpecialToken": {"id": "x"}},)";
  many.back() = ']';
  refused(many + "}", "more than");
}

TEST(Tokenizer, RefusesHostileAddedTokensAndNormalizers) {
  expect_refused("added_tokens", R"([{"id": -1, "content": "x"}])", StatusCode::kDataLoss, "id");
  expect_refused("added_tokens", R"([{"id": 99999999999, "content": "x"}])", StatusCode::kDataLoss,
                 "id");
  expect_refused("added_tokens", R"([{"id": 6, "content": 5}])", StatusCode::kDataLoss, "content");
  expect_refused("added_tokens", R"([[]])", StatusCode::kDataLoss, "objects");
  expect_refused("added_tokens", R"([{"id": 6, "content": "\u0001", "normalized": true}])",
                 StatusCode::kDataLoss, "0 bytes when normalized");
  expect_refused("normalizer", R"({"type": "Replace", "pattern": {"String": ""}, "content": "x"})",
                 StatusCode::kUnsupported, "empty pattern");
  expect_refused("normalizer",
                 R"({"type": "Replace", "pattern": {"Regex": "[a[b]]"}, "content": "x"})",
                 StatusCode::kUnsupported, "a set within a set");
  std::string bomb = R"({"type": "Sequence", "normalizers": [)";
  for (int i = 0; i < 40; ++i)
    bomb += R"({"type": "Replace", "pattern": {"String": "a"}, "content": "aa"},)";
  bomb.back() = ']';
  expect_refused("normalizer", bomb + "}", StatusCode::kUnsupported, "lengthen");
}

TEST(Tokenizer, RefusesWhatIsNoTokenizer) {
  for (const char* text : {"", "[]", "7", "{}", "{\"model\": 5}", "{\"model\": {}}",
                           "{\"model\": {\"type\": 5}}", "{"}) {
    EXPECT_EQ(load_tokenizer_json(text).status().code(), StatusCode::kDataLoss) << text;
  }
  std::string deep = "{\"normalizer\":";
  for (int i = 0; i < 100000; ++i) deep += R"({"type":"Sequence","normalizers":[)";
  EXPECT_EQ(load_tokenizer_json(deep).status().code(), StatusCode::kDataLoss);
}

TEST(Tokenizer, SaysWhatAFolderLacks) {
  const test::TemporaryFolder folder;
  const Status status = load_tokenizer(folder.root()).status();
  EXPECT_EQ(status.code(), StatusCode::kNotFound);
  EXPECT_THAT(status.message(), HasSubstr("looked for tokenizer.json, vocab.txt"));
}

TEST(Tokenizer, RefusesAClassThatHasNoVocabTxt) {
  const test::TemporaryFolder folder;
  folder.write("vocab.txt", "[UNK]\n[CLS]\n[SEP]\n");
  folder.write("tokenizer_config.json", R"({"tokenizer_class": "T5Tokenizer"})");
  const Status status = load_tokenizer(folder.root()).status();
  EXPECT_EQ(status.code(), StatusCode::kUnsupported);
  EXPECT_THAT(status.message(), HasSubstr("T5Tokenizer"));
}

TEST(Tokenizer, VocabTxtWithoutSpecialTokensIsRefused) {
  const test::TemporaryFolder folder;
  folder.write("vocab.txt", "a\r\nb\rc\n");
  EXPECT_EQ(load_tokenizer(folder.root()).status().code(), StatusCode::kDataLoss);
}

TEST(Tokenizer, MpnetVocabTxt) {
  const std::string vocabulary = test::real_data("tokenizers/mpnet/vocab.txt");
  WDE_SKIP_WITHOUT(vocabulary, "the vocabulary of mpnet");
  const auto tokenizer = load_tokenizer(test::real_data("tokenizers/mpnet")).value();
  const test::TemporaryFolder folder;
  std::filesystem::copy_file(vocabulary, folder.path("vocab.txt"));
  std::filesystem::copy_file(test::real_data("tokenizers/mpnet/tokenizer_config.json"),
                             folder.path("tokenizer_config.json"));
  const auto from_vocab = load_tokenizer(folder.root()).value();
  EncodeOptions options;
  options.offsets = true;
  for (const char* text : {"hello  <mask> world", "a</s>b", "München <pad> <s>"}) {
    const Encoding want = tokenizer->encode(text, "pair", options).value();
    const Encoding found = from_vocab->encode(text, "pair", options).value();
    EXPECT_EQ(found.ids, want.ids);
    EXPECT_EQ(found.offsets, want.offsets);
  }
}

TEST(Tokenizer, MaxLengthMustHoldTheSpecialTokens) {
  const auto tokenizer = fixture();
  EncodeOptions options;
  for (const int too_short : {-1, 1}) {
    options.max_length = too_short;
    EXPECT_EQ(tokenizer->encode("a", std::nullopt, options).status().code(),
              StatusCode::kInvalidArgument);
    EXPECT_EQ(tokenizer->encode_ids({}, options).status().code(), StatusCode::kInvalidArgument);
  }
  options.max_length = 2;
  EXPECT_EQ(tokenizer->encode("a", "b", options).status().code(), StatusCode::kInvalidArgument);
  const Encoding encoding = tokenizer->encode("a", std::nullopt, options).value();
  EXPECT_THAT(encoding.ids, ElementsAre(2, 3));
  EXPECT_TRUE(encoding.truncated);
}

TEST(Tokenizer, EncodesIdsOfAClient) {
  const auto tokenizer = fixture();
  const std::vector<int32_t> ids = {10, 11, 12, 13};
  EncodeOptions options;
  options.offsets = true;
  Encoding encoding = tokenizer->encode_ids(ids, options).value();
  EXPECT_THAT(encoding.ids, ElementsAre(2, 10, 11, 12, 13, 3));
  EXPECT_THAT(encoding.special_mask, ElementsAre(1, 0, 0, 0, 0, 1));
  EXPECT_THAT(encoding.sequence, ElementsAre(-1, 0, 0, 0, 0, -1));
  EXPECT_THAT(encoding.offsets, testing::Each(Offset{}));
  EXPECT_FALSE(encoding.truncated);
  options.max_length = 4;
  EXPECT_THAT(tokenizer->encode_ids(ids, options).value().ids, ElementsAre(2, 10, 11, 3));
  options.truncation_side = Side::kLeft;
  encoding = tokenizer->encode_ids(ids, options).value();
  EXPECT_THAT(encoding.ids, ElementsAre(2, 12, 13, 3));
  EXPECT_TRUE(encoding.truncated);
  options.add_special_tokens = false;
  EXPECT_THAT(tokenizer->encode_ids(ids, options).value().ids, ElementsAre(10, 11, 12, 13));
}

TEST(Tokenizer, RefusesIdsOutsideTheVocabulary) {
  const auto tokenizer = fixture();
  for (const int32_t id : {-1, 405, INT32_MAX, INT32_MIN}) {
    const std::vector<int32_t> ids = {5, id};
    EXPECT_EQ(tokenizer->encode_ids(ids, {}).status().code(), StatusCode::kInvalidArgument) << id;
    EXPECT_EQ(tokenizer->decode(ids, false).status().code(), StatusCode::kInvalidArgument) << id;
    EXPECT_TRUE(tokenizer->id_to_token(id).empty());
  }
}

TEST(Tokenizer, LooksUpTokens) {
  const auto tokenizer = fixture();
  EXPECT_EQ(tokenizer->vocab_size(), 405);  // 400 of the model, 5 added
  EXPECT_EQ(tokenizer->token_to_id("[CLS]"), 2);
  EXPECT_EQ(tokenizer->id_to_token(2), "[CLS]");
  EXPECT_EQ(tokenizer->token_to_id("<x>"), 400);
  EXPECT_EQ(tokenizer->token_to_id("nowhere"), std::nullopt);
  EXPECT_EQ(tokenizer->token_to_id(""), std::nullopt);
  EXPECT_EQ(tokenizer->special_tokens_added(false), 2);
  EXPECT_EQ(tokenizer->special_tokens_added(true), 3);
}

TEST(Tokenizer, LongWhitespaceBetweenGreedyTokensStaysLinear) {
  json::object spec = small_spec();
  spec["added_tokens"] =
      parse(R"([{"id": 6, "content": " ", "rstrip": true, "lstrip": true, "normalized": false}])");
  const auto tokenizer = load(spec).value();
  const Encoding encoding = tokenizer->encode(std::string(1 << 20, ' '), std::nullopt, {}).value();
  EXPECT_EQ(encoding.ids.size(), (size_t{1} << 20) + 1);
}

TEST(Tokenizer, ManyThreadsMayEncodeAtOnce) {
  const auto tokenizer = fixture();
  const std::string text = "The quick brown fox [MASK] jumps, Hello 北京 café";
  EncodeOptions options;
  options.offsets = true;
  const Encoding want = tokenizer->encode(text, std::nullopt, options).value();
  std::vector<std::thread> threads;
  std::vector<int> equal(4, 0);
  for (size_t i = 0; i < equal.size(); ++i) {
    threads.emplace_back([&, i] {
      for (int round = 0; round < 200; ++round) {
        const Encoding found = tokenizer->encode(text, std::nullopt, options).value();
        const Encoding ids_only = tokenizer->encode(text, std::nullopt, {}).value();
        equal[i] +=
            found.ids == want.ids && found.offsets == want.offsets && ids_only.ids == want.ids;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_THAT(equal, testing::Each(200));
}

}  // namespace
}  // namespace wde::tokenizer
