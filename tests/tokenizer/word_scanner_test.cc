// What the one-pass scanner takes on itself, and that its ids are those of the parts for hostile
// texts. Encoding with offsets always goes through the parts, so that it is the oracle.
#include "tokenizer/word_scanner.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/json/array.hpp>
#include <boost/json/serialize.hpp>
#include <random>

#include "base/file.h"
#include "support/paths.h"
#include "tokenizer/registry.h"
#include "tokenizer/tokenizer.h"

namespace wde::tokenizer {
namespace {

using testing::ElementsAre;

json::object object(std::string_view text) { return json::parse(text).value().as_object(); }

constexpr std::string_view kBertNormalizer = R"({"type": "BertNormalizer"})";
constexpr std::string_view kBertPreTokenizer = R"({"type": "BertPreTokenizer"})";
constexpr std::string_view kModel = R"({"type": "WordPiece", "unk_token": "[UNK]",
  "max_input_chars_per_word": 200,
  "vocab": {"[UNK]": 0, "a": 1, "b": 2, "##a": 3, "##b": 4, "!": 5, "北": 6, "京": 7, "<": 8, "e": 9}})";

// A scanner with the parts it stands on.
struct Scanner {
  std::unique_ptr<Normalizer> normalizer;
  std::unique_ptr<PreTokenizer> pre_tokenizer;
  std::unique_ptr<Model> model = make_model(object(kModel)).value();
  AddedToken unknown = {.content = "<unk>", .pattern = "<unk>"};
  AddedTokenMatcher added;
  std::unique_ptr<WordScanner> scanner;

  Scanner(std::string_view normalizer_spec, std::string_view pre_tokenizer_spec,
          bool with_added_token = false)
      : normalizer(make_normalizer(object(normalizer_spec)).value()),
        pre_tokenizer(make_pre_tokenizer(object(pre_tokenizer_spec)).value()),
        added(with_added_token ? std::vector<const AddedToken*>{&unknown}
                               : std::vector<const AddedToken*>{}),
        scanner(WordScanner::make(normalizer.get(), pre_tokenizer.get(), *model, added)) {}

  std::vector<int32_t> ids(std::string_view text, size_t enough = 1000) const {
    std::vector<int32_t> ids;
    EXPECT_TRUE(scanner->scan(text, enough, ids));
    return ids;
  }
};

TEST(WordScanner, ReadsWhatBertReads) {
  const Scanner bert(kBertNormalizer, kBertPreTokenizer);
  ASSERT_NE(bert.scanner, nullptr);
  EXPECT_THAT(bert.ids(""), ElementsAre());
  EXPECT_THAT(bert.ids("aB\tb! c"), ElementsAre(1, 4, 2, 5, 0));
  EXPECT_THAT(bert.ids("a\x01\xC2\xAD"
                       "b"),
              ElementsAre(1, 4));                            // controls are not there
  EXPECT_THAT(bert.ids("a北京b"), ElementsAre(1, 6, 7, 2));  // spaced out
  EXPECT_THAT(bert.ids("\u00E9 a\u3000\u212Bb"), ElementsAre(9, 1, 1, 4));  // é, Å
  EXPECT_THAT(bert.ids("b \u302E a\uAC00 b"), ElementsAre(2, 0, 0, 2));     // through the parts
}

TEST(WordScanner, LongWordsAreTheModelsToRefuse) {
  const Scanner bert(kBertNormalizer, kBertPreTokenizer);
  for (const size_t length : {199, 200, 255, 256, 257, 258, 1000}) {
    const std::string word(length, 'a');
    const size_t pieces = length > 200 ? 1 : length;
    EXPECT_EQ(bert.ids("b " + word + " b").size(), pieces + 2) << length;
    EXPECT_EQ(bert.ids(word).size(), pieces) << length;
    EXPECT_EQ(bert.ids(word + "\u30AB" + word + " b").size(), 2u) << length;
  }
}

TEST(WordScanner, StopsOneWordBehindEnough) {
  const Scanner bert(kBertNormalizer, kBertPreTokenizer);
  EXPECT_THAT(bert.ids("a b a b a b", 2), ElementsAre(1, 2, 1));
  EXPECT_THAT(bert.ids("a b", 2), ElementsAre(1, 2));
  EXPECT_THAT(bert.ids("a", 0), ElementsAre(1));
  EXPECT_THAT(bert.ids(" ", 0), ElementsAre());
}

TEST(WordScanner, LeavesAddedTokensToOthers) {
  const Scanner bert(kBertNormalizer, kBertPreTokenizer, true);
  std::vector<int32_t> ids;
  EXPECT_TRUE(bert.scanner->scan("a > b", 10, ids));
  for (const char* text : {"a <unk>", "a < b", "a \u226E b", "\u302E <"})  // ≮ is < with a mark
    EXPECT_FALSE(bert.scanner->scan(text, 10, ids)) << text;
}

TEST(WordScanner, OnlyWherePartsLookAtOneCodePoint) {
  EXPECT_NE(Scanner(kBertNormalizer, R"({"type": "WhitespaceSplit"})").scanner, nullptr);
  EXPECT_EQ(Scanner(R"({"type": "NFC"})", kBertPreTokenizer).scanner, nullptr);
  EXPECT_EQ(Scanner(kBertNormalizer, R"({"type": "Whitespace"})").scanner, nullptr);
  const Scanner bert(kBertNormalizer, kBertPreTokenizer);
  EXPECT_EQ(WordScanner::make(nullptr, bert.pre_tokenizer.get(), *bert.model, bert.added), nullptr);
  EXPECT_EQ(WordScanner::make(bert.normalizer.get(), nullptr, *bert.model, bert.added), nullptr);
}

// Texts put together of pieces each of which some part treats in its own way.
class HostileTexts {
 public:
  explicit HostileTexts(uint32_t seed) : random_(seed) {}

  std::string next() {
    std::string text;
    for (size_t pieces = below(below(8) == 0 ? 200 : 12); pieces > 0; --pieces) text += piece();
    return text;
  }
  size_t below(size_t limit) {
    return std::uniform_int_distribution<size_t>(0, limit - 1)(random_);
  }

 private:
  std::string piece() {
    static const std::vector<std::string> kPieces = {" ",
                                                     " ",
                                                     "  ",
                                                     "\t",
                                                     "\n",
                                                     "\r",
                                                     "\x0B",
                                                     "\x7F",
                                                     "\x01",
                                                     std::string(1, '\0'),
                                                     "\u0085",
                                                     "\u00A0",
                                                     "\u3000",
                                                     "\u2028",
                                                     "\u00AD",
                                                     "\u200B",
                                                     "\u200D",
                                                     "\uFEFF",
                                                     "\uFFFD",
                                                     "\uE000",
                                                     "the",
                                                     "Quick",
                                                     "tokenizers",
                                                     "embed",
                                                     "ding",
                                                     "YES",
                                                     "yes",
                                                     "no",
                                                     "No",
                                                     "hello",
                                                     "Hello",
                                                     ".",
                                                     "!",
                                                     "'",
                                                     "-",
                                                     "[",
                                                     "]",
                                                     "<",
                                                     ">",
                                                     "#",
                                                     "##ing",
                                                     "[CLS]",
                                                     "[MASK]",
                                                     "[mask]",
                                                     "[UNK]",
                                                     "<x>",
                                                     "<X>",
                                                     "<y>",
                                                     "<unk>",
                                                     "<mask>",
                                                     "<s>",
                                                     "é",
                                                     "e\u0301",
                                                     "É",
                                                     "ß",
                                                     "ẞ",
                                                     "İ",
                                                     "ı",
                                                     "ﬁ",
                                                     "Å",
                                                     "\u212B",
                                                     "\u226E",
                                                     "<\u0338",
                                                     "\u0301",
                                                     "\u0316",
                                                     "\u0327",
                                                     "\u302E",
                                                     "\u0344",
                                                     "\u1B44",
                                                     "\u05B0",
                                                     "\U0001D165",
                                                     "\U0001D15E",
                                                     "\uAC00",
                                                     "\u1100\u1161",
                                                     "北",
                                                     "京中",
                                                     "\uF900",
                                                     "\U0002F800",
                                                     "\U00020000",
                                                     "\u30C6",
                                                     "\u0915\u094D",
                                                     "Σας",
                                                     "Быстрая",
                                                     "й",
                                                     "и\u0306",
                                                     "€",
                                                     "«",
                                                     "…",
                                                     "—",
                                                     "😀",
                                                     "\U000E0001",
                                                     "½",
                                                     "\xff",
                                                     "\xC3",
                                                     "\xE2\x82",
                                                     "\xED\xA0\x80",
                                                     "\xF4\x90\x80\x80",
                                                     "\x80"};
    switch (below(40)) {
      case 0:
        return std::string(95 + below(10), 'a');
      case 1:
        return std::string(250 + below(12), "ab"[below(2)]);
      case 2: {
        char bytes[4];
        const char32_t code_point = static_cast<char32_t>(below(0x3000));
        return std::string(bytes, static_cast<size_t>(unicode::encode(code_point, bytes)));
      }
      case 3:
        return std::string(1, static_cast<char>(below(256)));
      default:
        return kPieces[below(kPieces.size())];
    }
  }

  std::mt19937 random_;
};

EncodeOptions random_options(HostileTexts& texts) {
  EncodeOptions options;
  options.add_special_tokens = texts.below(4) != 0;
  options.max_length = texts.below(2) == 0 ? 0 : static_cast<int>(4 + texts.below(30));
  options.truncation_side = texts.below(3) == 0 ? Side::kLeft : Side::kRight;
  return options;
}

void expect_same(const Tokenizer& tokenizer, uint32_t seed, int texts_to_try) {
  HostileTexts texts(seed);
  for (int i = 0; i < texts_to_try; ++i) {
    const std::string text = texts.next();
    const std::string second = texts.next();
    const auto pair = texts.below(4) == 0 ? std::optional<std::string_view>(second) : std::nullopt;
    EncodeOptions options = random_options(texts);
    const Encoding found = tokenizer.encode(text, pair, options).value();
    options.offsets = true;
    const Encoding expected = tokenizer.encode(text, pair, options).value();
    ASSERT_EQ(found.ids, expected.ids)
        << testing::PrintToString(text) << " and " << testing::PrintToString(second) << ", at most "
        << options.max_length;
    ASSERT_EQ(found.type_ids, expected.type_ids);
    ASSERT_EQ(found.special_mask, expected.special_mask);
    ASSERT_EQ(found.truncated, expected.truncated) << testing::PrintToString(text);
  }
}

TEST(WordScanner, FixturesAgreeWithTheirParts) {
  expect_same(*load_tokenizer(test::fixture("tokenizer/fixture")).value(), 1, 8000);
  expect_same(*load_tokenizer(test::fixture("tokenizer/fixture_vocab")).value(), 2, 8000);
}

// Every way to set the normalizer, with each pre-tokenizer and added tokens of several kinds.
TEST(WordScanner, EverySettingAgreesWithItsParts) {
  json::object spec =
      object(read_file(test::fixture("tokenizer/fixture/tokenizer.json"), 1 << 20).value());
  const std::string_view added_tokens[] = {
      "[]",
      R"([{"id": 400, "content": "<unk>", "normalized": true}])",
      R"([{"id": 400, "content": "<x>", "normalized": false, "lstrip": true, "rstrip": true},
          {"id": 401, "content": " ", "normalized": false, "rstrip": true},
          {"id": 402, "content": "No", "normalized": false, "single_word": true}])",
  };
  spec["post_processor"] = nullptr;
  for (uint32_t setting = 0; setting < 96; ++setting) {
    SCOPED_TRACE(setting);
    spec["normalizer"] = {{"type", "BertNormalizer"},
                          {"clean_text", (setting & 1) != 0},
                          {"handle_chinese_chars", (setting & 2) != 0},
                          {"strip_accents", (setting & 4) != 0},
                          {"lowercase", (setting & 8) != 0}};
    spec["pre_tokenizer"] = {
        {"type", (setting & 16) != 0 ? "BertPreTokenizer" : "WhitespaceSplit"}};
    spec["added_tokens"] = json::parse(added_tokens[setting / 32]).value();
    const auto tokenizer = load_tokenizer_json(boost::json::serialize(spec)).value();
    expect_same(*tokenizer, 100 + setting, 300);
  }
}

TEST(WordScanner, RealTokenizersAgreeWithTheirParts) {
  for (const char* name :
       {"bert-base-uncased/tokenizer.bge-style.json",
        "bert-base-multilingual-uncased/tokenizer.json", "mpnet/tokenizer.json"}) {
    const std::string path = test::real_data(std::string("tokenizers/") + name);
    WDE_SKIP_WITHOUT(path, name);
    expect_same(*load_tokenizer_json(read_file(path, 1u << 26).value()).value(), 3, 4000);
  }
}

}  // namespace
}  // namespace wde::tokenizer
