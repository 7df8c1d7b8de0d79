// The trained decoder of the real data, a GGUF file: last hidden states and what it writes next,
// against numpy (tools/make_story_golden.py).
#include <gtest/gtest.h>

#include <algorithm>

#include "base/json.h"
#include "checkpoint/gguf_file.h"
#include "support/golden_file.h"
#include "support/paths.h"
#include "tensor/computed_rows.h"
#include "wde/engine.h"

namespace wde {
namespace {

struct StoryCase {
  std::string text;
  std::vector<int32_t> ids;
  std::vector<float> hidden;  // [ids, 64]
  std::vector<int32_t> continuation;
};

template <class T>
std::vector<T> numbers(const json::value& list) {
  std::vector<T> numbers;
  for (const json::value& number : list.as_array()) numbers.push_back(number.to_number<T>());
  return numbers;
}

std::vector<StoryCase> read_cases() {
  const json::value golden = json::parse_file(test::fixture("story_golden.json")).value();
  std::vector<StoryCase> cases;
  for (const json::value& entry : golden.at("cases").as_array()) {
    StoryCase story{.text = std::string(entry.at("text").as_string()),
                    .ids = numbers<int32_t>(entry.at("ids")),
                    .hidden = {},
                    .continuation = numbers<int32_t>(entry.at("continuation_ids"))};
    for (const json::value& row : entry.at("hidden").as_array()) {
      const std::vector<float> values = numbers<float>(row);
      story.hidden.insert(story.hidden.end(), values.begin(), values.end());
    }
    cases.push_back(std::move(story));
  }
  return cases;
}

class Story : public testing::Test {
 protected:
  void SetUp() override {
    path_ = test::real_data("models/stories260K/tinyllm.gguf");
    WDE_SKIP_WITHOUT(path_, "models/stories260K");
  }
  std::unique_ptr<Engine> load(EngineOptions options) const {
    options.model = path_;
    auto engine = Engine::load(options);
    EXPECT_TRUE(engine.ok()) << engine.status().message();
    return engine.ok() ? std::move(*engine) : nullptr;
  }
  static Response hidden_of(Engine& engine, const Input& input) {
    Request request{.input = input};
    request.task = Task::kHidden;
    auto answered = engine.run(request);
    EXPECT_TRUE(answered.ok()) << answered.status().message();
    return answered.ok() ? std::move(*answered) : Response{};
  }

  std::string path_;
};

TEST_F(Story, TokensAndHiddenStatesAreNumpys) {
  for (const EngineOptions& options :
       {EngineOptions{.attention_backend = "flash"}, EngineOptions{.attention_backend = "naive"},
        EngineOptions{.device = "emulated"}}) {
    const auto engine = load(options);
    ASSERT_NE(engine, nullptr);
    for (const StoryCase& story : read_cases()) {
      SCOPED_TRACE(story.text);
      EXPECT_EQ(engine->tokenizer().token_ids(story.text, true).value(), story.ids);
      const Response answered = hidden_of(*engine, story.text);
      float magnitude = 0;
      for (const float value : story.hidden) magnitude = std::max(magnitude, std::abs(value));
      EXPECT_LE(test::largest_difference(answered.values, story.hidden), 2e-5f * magnitude);
    }
  }
}

// The next token is the one whose row of the file's "output.weight" fits the last state best.
TEST_F(Story, GoesOnAsNumpyDoes) {
  const auto engine = load({});
  ASSERT_NE(engine, nullptr);
  const auto file = checkpoint::open_gguf(path_).value();
  const TensorView output = file.tensors->tensor("output.weight").value();
  const auto columns = static_cast<size_t>(output.row_elements());
  std::vector<float> rows(static_cast<size_t>(output.shape.elements()));
  read_f32(output, rows.data());
  for (const StoryCase& story : read_cases()) {
    std::vector<int32_t> ids = story.ids;
    std::vector<int32_t> written;
    while (written.size() < story.continuation.size()) {
      const Response answered = hidden_of(*engine, ids);
      ASSERT_GE(answered.values.size(), columns);
      const float* last = answered.values.data() + answered.values.size() - columns;
      std::vector<double> logits(rows.size() / columns);
      for (size_t token = 0; token < logits.size(); ++token) {
        for (size_t c = 0; c < columns; ++c)
          logits[token] += double{rows[token * columns + c]} * last[c];
      }
      written.push_back(
          static_cast<int32_t>(std::max_element(logits.begin(), logits.end()) - logits.begin()));
      ids.push_back(written.back());
    }
    EXPECT_EQ(written, story.continuation) << story.text;
    EXPECT_GE(engine->tokenizer().decode(written, true)->size(), 24u);
  }
}

}  // namespace
}  // namespace wde
