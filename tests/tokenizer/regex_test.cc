// What Oniguruma finds, found by PCRE2 (the words were compared with the `tokenizers` package, see
// goldens_bpe.json too); what is refused; and searches that would not end.
#include "tokenizer/regex.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace wde::tokenizer {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

std::vector<std::string> found(std::string_view pattern, std::string_view text) {
  const Regex regex = Regex::compile(pattern).value();
  std::vector<Range> matches;
  EXPECT_TRUE(regex.find_all(text, matches));
  std::vector<std::string> words;
  for (const Range& match : matches)
    words.emplace_back(text.substr(match.begin, match.end - match.begin));
  return words;
}

TEST(Regex, ClassesAreOnigurumas) {
  EXPECT_THAT(found(R"(\s)", "a\u180Eb\u00A0c\u0085"), ElementsAre("\u00A0", "\u0085"));
  EXPECT_THAT(found(R"([\s,]+)", "a , b"), ElementsAre(" , "));
  EXPECT_THAT(found(R"(\w+)", "na\u00EFve_\u0301x \u00B2 \u2460 -"),
              ElementsAre("na\u00EFve_\u0301x", "\u00B2"));
  EXPECT_THAT(found(R"([^\w\s]+)", "a\u00B2 _\u00BD"), ElementsAre("\u00B2", "\u00BD"));
  EXPECT_THAT(found(R"(\h+)", "xyz af09 G"), ElementsAre("af09"));
  EXPECT_THAT(found(R"(\bfoo\b)", "foo foo\u0301 foo."), ElementsAre("foo", "foo"));
  EXPECT_THAT(found(R"(^a|b$)", "a\nab\nb"), ElementsAre("a", "a", "b", "b"));
  EXPECT_THAT(found(R"(a{,2}b)", "aaab"), ElementsAre("aab"));
  EXPECT_THAT(found(R"(\u2581x)", "\u2581x"), ElementsAre("\u2581x"));
  EXPECT_THAT(found("[]a]+", "b]a]"), ElementsAre("]a]"));
  EXPECT_THAT(found("a{b", "a{b"), ElementsAre("a{b"));
}

TEST(Regex, EmptyMatchesStandOnceAtAPlace) {
  EXPECT_THAT(found("a*", "baac"), ElementsAre("", "aa", ""));
  EXPECT_THAT(found("a*", ""), ElementsAre(""));
  EXPECT_THAT(found("x*", "\u00E9\u00E9"), ElementsAre("", "", ""));
}

void expect_refused(std::string_view pattern, StatusCode code, std::string_view message) {
  SCOPED_TRACE(pattern);
  const Status status = Regex::compile(pattern).status();
  EXPECT_EQ(status.code(), code) << status.message();
  EXPECT_THAT(status.message(), HasSubstr(std::string(message)));
}

TEST(Regex, RefusesByName) {
  expect_refused("[a[b]]", StatusCode::kUnsupported, "a set within a set");
  expect_refused("[a-z&&[^b]]", StatusCode::kUnsupported, "intersection");
  expect_refused("a{1,3}+", StatusCode::kUnsupported, "{n,m}+");
  expect_refused("(?m:a.b)", StatusCode::kUnsupported, "option m or x");
  expect_refused("a(?i)b", StatusCode::kUnsupported, "an option without a group");
  expect_refused("[\\W]", StatusCode::kUnsupported, "\\W in a set");
  expect_refused("\\y", StatusCode::kUnsupported, "\\y");
  expect_refused("\\xE9", StatusCode::kUnsupported, "\\x");
  expect_refused("(a", StatusCode::kDataLoss, "\"(a\"");
  expect_refused("a\\", StatusCode::kDataLoss, "ends with");
  expect_refused("\\p{Nowhere}", StatusCode::kDataLoss, "Nowhere");
  expect_refused("(?:(?:a{1000}){1000}){1000}", StatusCode::kDataLoss, "too large");
  expect_refused(std::string(20000, 'a'), StatusCode::kDataLoss, "20000 bytes");
  expect_refused(std::string(5000, '('), StatusCode::kDataLoss, "regular expression");
}

TEST(Regex, GivesUpInsteadOfHanging) {
  const Regex regex = Regex::compile("(?:a+a+)+b|(a*)*c").value();
  std::vector<Range> matches;
  EXPECT_FALSE(regex.find_all(std::string(5000, 'a'), matches));
}

TEST(Regex, LongMatchesNeedNoStack) {
  const Regex regex = Regex::compile("(?:(?:ab)|c)+").value();
  std::string text;
  for (int i = 0; i < 20000; ++i) text += "ab";
  std::vector<Range> matches;
  ASSERT_TRUE(regex.find_all(text, matches));
  ASSERT_EQ(matches.size(), 1u);
  EXPECT_EQ(matches[0].end, text.size());
}

}  // namespace
}  // namespace wde::tokenizer
