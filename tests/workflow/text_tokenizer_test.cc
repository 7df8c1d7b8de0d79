#include <gtest/gtest.h>

#include "support/paths.h"
#include "wde/engine.h"

namespace wde {
namespace {

TEST(TextTokenizer, IdsAloneAreThoseOfTheTokens) {
  const auto tokenizer =
      TextTokenizer::load({.model = test::fixture("models/mean_normalize")}).value();
  const Input inputs[] = {"An engine reads\xff its [MASK] café.", "", TextPair{"one", "two 北"},
                          std::vector<int32_t>{5, 6}};
  for (const Input& input : inputs) {
    for (const bool special : {false, true}) {
      std::vector<int32_t> expected;
      const std::vector<Token> tokens = tokenizer->tokenize(input, special).value();
      for (const Token& token : tokens) expected.push_back(token.id);
      EXPECT_EQ(tokenizer->token_ids(input, special).value(), expected);
    }
  }
  EXPECT_EQ(tokenizer->token_ids(std::vector<int32_t>{-1}, true).status().code(),
            StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace wde
