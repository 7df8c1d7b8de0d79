// What the families' request processors add to RequestProcessor.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "pipeline/multi_vector_request_processor.h"
#include "pipeline/span_request_processor.h"

namespace wde::pipeline {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

std::shared_ptr<const tokenizer::Tokenizer> make_tokenizer() {
  return tokenizer::load_tokenizer_json(
             R"({"version": "1.0", "pre_tokenizer": {"type": "BertPreTokenizer"},
               "post_processor": {"type": "BertProcessing", "sep": ["[SEP]", 2], "cls": ["[CLS]", 1]},
               "model": {"type": "WordPiece", "unk_token": "[UNK]",
               "continuing_subword_prefix": "##", "max_input_chars_per_word": 100,
               "vocab": {"[UNK]": 0, "[CLS]": 1, "[SEP]": 2, "a": 3, "b": 4, "##c": 5, ".": 6,
                         "ask": 7, ":": 8, "é": 9, "[Q]": 10, "[D]": 11, "[MASK]": 12}}})")
      .value();
}

const TextLimits kLimits{.max_length = 16, .vocab_size = 13};
const PromptPolicy kPrompts{.prompts = {{"document", ""}, {"query", "ask: "}},
                            .default_prompt = {},
                            .default_name = "document"};

schema::SchedulableRequest processed(const RequestProcessor& processor, const Request& request) {
  const auto out = processor.process(request, {});
  EXPECT_TRUE(out.ok()) << out.status().message();
  return out.ok() ? out->front() : schema::SchedulableRequest();
}

class MultiVectorRequests : public testing::Test {
 protected:
  schema::SchedulableRequest of(const std::string& text, std::optional<std::string> prompt_name,
                                Task task = Task::kMultiVector) {
    const MultiVectorRequestProcessor processor(make_tokenizer(), kLimits, kPrompts, policy);
    return processed(processor, {.task = task, .input = text, .prompt_name = prompt_name});
  }

  MultiVectorPolicy policy{.query = {.marker = 10, .max_length = 8, .skipped_ids = {}},
                           .document = {.marker = 11, .max_length = 5, .skipped_ids = {6}},
                           .expansion = Expansion{.token = 12, .length = 8}};
};

TEST_F(MultiVectorRequests, ADocumentHasItsMarkerAndSkipsItsWords) {
  const auto out = of("a . b", std::nullopt);
  EXPECT_THAT(out.ids, ElementsAre(1, 11, 3, 6, 2));
  EXPECT_THAT(out.kept, ElementsAre(1, 1, 1, 0, 1));
  EXPECT_TRUE(out.truncated);
  EXPECT_EQ(out.attended, 0);
}

TEST_F(MultiVectorRequests, AQueryIsFilledUpWithWhatIsNotAttendedTo) {
  const auto out = of("b .", "query");
  EXPECT_THAT(out.ids, ElementsAre(1, 10, 7, 8, 4, 6, 2, 12));
  EXPECT_EQ(out.attended, 7);
  EXPECT_THAT(out.kept, testing::Each(1));
  EXPECT_EQ(out.type_ids.size(), 8u);
  policy.expansion->attended = true;
  EXPECT_EQ(of("b .", "query").attended, 0);
}

TEST_F(MultiVectorRequests, AnEmptyTextHasItsMarkerBehindTheFirstToken) {
  EXPECT_THAT(of("", std::nullopt).ids, ElementsAre(1, 11, 2));
}

TEST_F(MultiVectorRequests, OtherTasksSeeThePlainText) {
  const auto out = of("a . b", std::nullopt, Task::kHidden);
  EXPECT_THAT(out.ids, ElementsAre(1, 3, 6, 4, 2));
  EXPECT_THAT(out.kept, IsEmpty());
}

TEST_F(MultiVectorRequests, AClientsOwnIdsAreNotMarked) {
  const MultiVectorRequestProcessor processor(make_tokenizer(), kLimits, kPrompts, policy);
  const auto out =
      processed(processor, {.task = Task::kMultiVector, .input = std::vector<int32_t>{3, 6}});
  EXPECT_THAT(out.ids, ElementsAre(3, 6));
  EXPECT_THAT(out.kept, ElementsAre(1, 0));
}

TEST_F(MultiVectorRequests, TheFirstTokenMayBeLeftOut) {
  policy = {.query = {}, .document = {}, .expansion = {}, .skips_first = true};
  EXPECT_THAT(of("a b", std::nullopt, Task::kHybrid).kept, ElementsAre(0, 1, 1, 1));
}

TEST(SpanRequests, TellWhereTokensLieAndWhichGoOn) {
  const SpanRequestProcessor processor(make_tokenizer(), kLimits, kPrompts, 0);
  const auto out = processed(processor, {.task = Task::kClassifyTokens, .input = "é ac. zz"});
  EXPECT_EQ(out.text, "é ac. zz");
  EXPECT_THAT(out.ids, ElementsAre(1, 9, 3, 5, 6, 0, 2));
  std::vector<int> begins, ends, continued;
  for (const schema::TextToken& token : out.text_tokens) {
    if (token.special) continue;
    begins.push_back(token.begin);
    ends.push_back(token.end);
    continued.push_back(token.continues_word ? 1 : 0);
  }
  EXPECT_THAT(begins, ElementsAre(0, 2, 3, 4, 6));
  EXPECT_THAT(ends, ElementsAre(1, 3, 4, 5, 8));
  EXPECT_THAT(continued, ElementsAre(0, 0, 1, 0, 0));  // the unknown "zz" begins a word
}

TEST(SpanRequests, APromptIsNoneOfTheText) {
  const SpanRequestProcessor processor(make_tokenizer(), kLimits, kPrompts, 0);
  const auto out =
      processed(processor, {.task = Task::kClassifyTokens, .input = "b a", .prompt_name = "query"});
  EXPECT_THAT(out.ids, ElementsAre(1, 7, 8, 4, 3, 2));
  EXPECT_TRUE(out.text_tokens[1].special);
  EXPECT_TRUE(out.text_tokens[2].special);
  EXPECT_EQ(out.text_tokens[3].begin, 0);
  EXPECT_EQ(out.text_tokens[4].end, 3);
}

}  // namespace
}  // namespace wde::pipeline
