// The worked example of docs/adding-a-tokenizer-part.md: a pre-tokenizer that cuts camelCase, from
// its section of tokenizer.json to ids and offsets. In src/tokenizer it would be a file like the
// first half of this one and a line in registry.cc.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/json.h"
#include "tokenizer/pipeline.h"
#include "tokenizer/registry.h"

namespace wde::tokenizer {
namespace {

// A word ends where an upper-case letter follows a lower-case one.
class CamelCase final : public PreTokenizer {
 public:
  explicit CamelCase(bool keeps_digits) : keeps_digits_(keeps_digits) {}

  void split(std::string_view text, Range within, std::vector<Range>& words) const override {
    Range word = {within.begin, within.begin};
    bool after_lower = false;
    unicode::for_each_class(
        text, within.begin, within.end, [&](uint32_t begin, uint32_t end, uint8_t classes) {
          const char first = text[begin];
          const bool digit_begins = !keeps_digits_ && (classes & unicode::kNumber) != 0;
          if (after_lower && ((first >= 'A' && first <= 'Z') || digit_begins)) {
            words.push_back(word);
            word.begin = begin;
          }
          word.end = end;
          after_lower = first >= 'a' && first <= 'z';
        });
    words.push_back(word);
  }

 private:
  bool keeps_digits_;
};

Result<std::unique_ptr<PreTokenizer>> make_camel_case(const json::object& spec) {
  WDE_ASSIGN_OR_RETURN(const bool keeps_digits, json::get_bool(spec, "keep_digits", true));
  return Result<std::unique_ptr<PreTokenizer>>(std::make_unique<CamelCase>(keeps_digits));
}

std::unique_ptr<Tokenizer> tokenizer_with(std::string_view section) {
  const json::value model = json::parse(R"({"type": "WordLevel", "unk_token": "?",
    "vocab": {"?": 0, "camel": 1, "Case": 2, "7": 3}})")
                                .value();
  Parts parts;
  parts.pre_tokenizer = make_camel_case(json::parse(section).value().as_object()).value();
  parts.model = make_model(model.as_object()).value();
  parts.post_processor = make_plain_processing();
  AddedVocabulary added = AddedVocabulary::build(nullptr, *parts.model, nullptr).value();
  return Pipeline::make(std::move(parts), std::move(added)).value();
}

TEST(ExamplePart, CutsWhereItShould) {
  const auto tokenizer = tokenizer_with(R"({"type": "CamelCase", "keep_digits": false})");
  const Encoding encoding =
      tokenizer->encode("camelCase7", std::nullopt, {.offsets = true}).value();
  EXPECT_THAT(encoding.ids, testing::ElementsAre(1, 2, 3));
  EXPECT_THAT(encoding.offsets, testing::ElementsAre(Offset{0, 5}, Offset{5, 9}, Offset{9, 10}));
}

TEST(ExamplePart, ReadsItsOptions) {
  const auto tokenizer = tokenizer_with(R"({"type": "CamelCase"})");
  EXPECT_THAT(tokenizer->encode("camelCase7", std::nullopt, {}).value().ids,
              testing::ElementsAre(1, 0));
  const json::value broken = json::parse(R"({"keep_digits": "yes"})").value();
  EXPECT_EQ(make_camel_case(broken.as_object()).status().code(), StatusCode::kDataLoss);
}

}  // namespace
}  // namespace wde::tokenizer
