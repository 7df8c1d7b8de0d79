#include "pipeline/template_request_processor.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace wde::pipeline {
namespace {

using testing::ElementsAre;

std::shared_ptr<const tokenizer::Tokenizer> make_tokenizer() {
  return tokenizer::load_tokenizer_json(
             R"({"version": "1.0", "pre_tokenizer": {"type": "BertPreTokenizer"},
               "model": {"type": "WordPiece", "unk_token": "[UNK]",
               "continuing_subword_prefix": "##", "max_input_chars_per_word": 100,
               "vocab": {"[UNK]": 0, "a": 1, "b": 2, "0": 3, "1": 4, "2": 5, "3": 6, "4": 7,
                         "end": 8, "kind": 9, "good": 10}}})")
      .value();
}

// The texts, then the instruction where there is one.
constexpr const char* kTemplate =
    "{% for m in messages if m.role != 'system' %}{{ m.content }} {% endfor %}"
    "{% for m in messages if m.role == 'system' %}{{ m.content }} {% endfor %}end";

TEST(TemplateRequests, ACutPairLosesTheEndWhereItIsNotPutBack) {
  const TemplateRequestProcessor processor(
      make_tokenizer(), {.max_length = 4, .vocab_size = 11}, {},
      PairTemplate(jinja::Template::parse(kTemplate).value(), {}, {.restores_end = false}));
  const auto out =
      processor.process({.task = Task::kRerank, .input = TextPair{"a", "b b b b"}}, {});
  ASSERT_TRUE(out.ok()) << out.status().message();
  EXPECT_THAT(out->front().ids, ElementsAre(1, 2, 2, 2));
}

TEST(TemplateRequests, ACutPairKeepsTheEndThatItsPromptMakes) {
  const TemplateRequestProcessor processor(
      make_tokenizer(), {.max_length = 6, .vocab_size = 11},
      {.prompts = {{"none", ""}, {"kind", "kind"}, {"good", "good"}}, .default_prompt = {}},
      PairTemplate(jinja::Template::parse(kTemplate).value(), {}, {}));
  const auto ids = [&](const char* prompt, const std::string& document) {
    const auto out = processor.process(
        {.task = Task::kRerank, .input = TextPair{"a", document}, .prompt_name = prompt}, {});
    EXPECT_TRUE(out.ok()) << out.status().message();
    return out->front().ids;
  };
  EXPECT_THAT(ids("none", "b b"), ElementsAre(1, 2, 2, 8));
  for (int time = 0; time < 2; ++time) {  // found out, and remembered
    EXPECT_THAT(ids("none", "b b b b b b"), ElementsAre(1, 2, 2, 2, 2, 8));
    EXPECT_THAT(ids("kind", "b b b b b b"), ElementsAre(1, 2, 2, 2, 9, 8));
    EXPECT_THAT(ids("good", "b b b b b b"), ElementsAre(1, 2, 2, 2, 10, 8));
  }
}

}  // namespace
}  // namespace wde::pipeline
