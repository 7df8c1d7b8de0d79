// The hand-written scanners against the regular expressions they stand for, on texts of the kinds
// of characters that the expressions tell apart.
#include "tokenizer/word_patterns.h"

#include <gtest/gtest.h>

#include <random>

#include "golden_texts.h"
#include "support/paths.h"
#include "tokenizer/byte_level.h"
#include "tokenizer/regex.h"

namespace wde::tokenizer {
namespace {

constexpr std::string_view kPatterns[] = {byte_level::kWordPattern, kLlama3WordPattern,
                                          kQwen2WordPattern};

std::vector<std::string> words_by_hand(WordEnd word_end, std::string_view text) {
  std::vector<std::string> words;
  const char* const end = text.data() + text.size();
  for (const char* at = text.data(); at != end;) {
    const char* const behind = word_end(at, end);
    words.emplace_back(at, behind);
    at = behind;
  }
  return words;
}

std::vector<std::string> words_by_regex(const Regex& regex, std::string_view text) {
  std::vector<Range> matches;
  EXPECT_TRUE(regex.find_all(text, matches));
  std::vector<std::string> words;
  for (const Range& match : matches)
    words.emplace_back(text.substr(match.begin, match.end - match.begin));
  return words;
}

void expect_equal(const std::vector<std::string>& texts) {
  for (const std::string_view pattern : kPatterns) {
    const WordEnd word_end = known_word_pattern(pattern);
    ASSERT_NE(word_end, nullptr);
    const Regex regex = Regex::compile(pattern).value();
    for (const std::string& text : texts)
      ASSERT_EQ(words_by_hand(word_end, text), words_by_regex(regex, text)) << text;
  }
}

TEST(WordPatterns, RandomTexts) {
  const std::string_view pieces[] = {
      "a",          "B",      "z",      "\u00E9", "\u0416", "\u5317", "\u017F",     "0",
      "7",          "\u0664", "\u2167", "\u00BD", " ",      " ",      "  ",         "\t",
      "\n",         "\r",     "\r\n",   "\u00A0", "\u3000", "\u2028", "\u0085",     "\v",
      "\f",         "'",      "'s",     "'S",     "'t",     "'re",    "'RE",        "'vE",
      "'ll",        "'L",     "'d",     "'m",     ".",      "!?",     "-",          "_",
      "\u2014",     "\u20AC", "\u0301", "\u200B", "\u180E", "\u0BBE", "\U0001F600", "\U00020000",
      "\U0001D7D8", "\uFFFD", "\u0000"};
  std::mt19937 random(1);
  std::vector<std::string> texts;
  for (int i = 0; i < 20000; ++i) {
    std::string text;
    for (size_t count = random() % 24; count > 0; --count)
      text += pieces[random() % std::size(pieces)];
    texts.push_back(std::move(text));
  }
  expect_equal(texts);
}

// utf8proc knows a newer Unicode than PCRE2: what that one takes for unassigned is left out.
TEST(WordPatterns, EveryCodePoint) {
  const Regex assigned = Regex::compile(R"(\P{Cn})").value();
  std::vector<std::string> texts;
  size_t tried = 0;
  for (char32_t c = 1; c < 0x30000; ++c) {
    if (c >= 0xD800 && c < 0xE000) continue;
    char bytes[4];
    const std::string one(bytes, static_cast<size_t>(unicode::encode(c, bytes)));
    std::vector<Range> found;
    ASSERT_TRUE(assigned.find_all(one, found));
    if (found.empty()) continue;
    ++tried;
    texts.push_back("a" + one + one + "1" + one + " " + one + ".");
  }
  EXPECT_GT(tried, 140000u);
  expect_equal(texts);
}

TEST(WordPatterns, RealTexts) {
  WDE_SKIP_WITHOUT(test::real_data("text/xquad/xquad.en.json"), "the real texts");
  for (const char* language : {"en", "ru", "zh"}) {
    std::vector<std::string> texts;
    for (const test::TextCase& text :
         test::read_xquad(test::real_data(std::string("text/xquad/xquad.") + language + ".json")))
      texts.push_back(text.text);
    expect_equal(texts);
  }
}

TEST(WordPatterns, OthersAreNotKnown) {
  EXPECT_EQ(known_word_pattern(R"(\p{L}+)"), nullptr);
  EXPECT_EQ(known_word_pattern(std::string(kQwen2WordPattern) + "|x"), nullptr);
}

}  // namespace
}  // namespace wde::tokenizer
