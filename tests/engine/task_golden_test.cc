// Every task but embed and hidden, end to end, against transformers and sentence-transformers.

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <filesystem>

#include "base/utf8.h"
#include "engine/tiers.h"
#include "support/golden_file.h"
#include "support/paths.h"
#include "wde/engine.h"

namespace wde {
namespace {

using test::TaskCase;
using test::TaskGolden;

std::vector<std::string> golden_names() {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(test::fixture("task_goldens"))) {
    names.push_back(entry.path().stem().string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

TaskGolden golden_of(const std::string& name) {
  return test::read_task_golden(test::fixture("task_goldens/" + name + ".json"));
}

// The text's code points [begin, end), as Python's text[begin:end].
std::string cut(const std::string& text, int begin, int end) {
  std::string piece;
  int index = -1;
  for (const char byte : text) {
    if ((static_cast<unsigned char>(byte) & 0xc0) != 0x80) ++index;
    if (index >= begin && index < end) piece += byte;
  }
  return piece;
}

std::vector<Result<Response>> answers_of(const TaskGolden& golden, EngineOptions options) {
  options.model = test::fixture(golden.model);
  options.task = golden.cases.front().request.task;
  const auto engine = Engine::load(options);
  EXPECT_TRUE(engine.ok()) << engine.status().message();
  if (!engine.ok()) return {};
  std::vector<Request> requests;
  for (const TaskCase& task_case : golden.cases) requests.push_back(task_case.request);
  return (*engine)->run_all(std::move(requests));
}

float magnitude(const std::vector<float>& values) {
  float largest = 0;
  for (const float value : values) largest = std::max(largest, std::abs(value));
  return largest;
}

// Of a sparse vector, as a dense one.
std::vector<float> dense(const SparseVector& sparse) {
  std::vector<float> values;
  for (size_t i = 0; i < sparse.indices.size(); ++i) {
    values.resize(static_cast<size_t>(sparse.indices[i]) + 1);
    values.back() = sparse.values[i];
  }
  return values;
}

class Comparison {
 public:
  explicit Comparison(float tolerance) : tolerance_(tolerance) {}

  void see(const TaskCase& task_case, const Response& answered) {
    const Response& expected = task_case.expected;
    see_numbers(answered.values, expected.values);
    EXPECT_EQ(answered.token_vectors.rows, expected.token_vectors.rows);
    see_numbers(answered.token_vectors.values, expected.token_vectors.values);
    see_sparse(answered.sparse, expected.sparse);
    see_labels(answered.labels, expected.labels);
    see_spans(task_case, answered.spans);
  }

 private:
  void see_numbers(const std::vector<float>& answered, const std::vector<float>& expected) {
    ASSERT_EQ(answered.size(), expected.size());
    EXPECT_LE(test::largest_difference(answered, expected), tolerance_ * magnitude(expected));
  }

  // An entry that one of them has and the other has not is one of 0.
  void see_sparse(const SparseVector& answered, const SparseVector& expected) {
    EXPECT_TRUE(std::is_sorted(answered.indices.begin(), answered.indices.end()));
    std::vector<float> a = dense(answered), b = dense(expected);
    a.resize(std::max(a.size(), b.size()));
    b.resize(a.size());
    see_numbers(a, b);
  }

  void see_labels(const std::vector<LabelScore>& answered,
                  const std::vector<LabelScore>& expected) {
    ASSERT_EQ(answered.size(), expected.size());
    std::vector<float> a, b;
    for (size_t i = 0; i < expected.size(); ++i) {
      EXPECT_EQ(answered[i].label, expected[i].label);
      a.push_back(answered[i].score);
      b.push_back(expected[i].score);
    }
    see_numbers(a, b);
  }

  void see_spans(const TaskCase& task_case, const std::vector<LabelledSpan>& answered) {
    const std::vector<LabelledSpan>& expected = task_case.expected.spans;
    ASSERT_EQ(answered.size(), expected.size());
    for (size_t i = 0; i < expected.size(); ++i) {
      EXPECT_EQ(answered[i].begin, expected[i].begin);
      EXPECT_EQ(answered[i].end, expected[i].end);
      EXPECT_EQ(answered[i].label, expected[i].label);
      EXPECT_NEAR(answered[i].score, expected[i].score, tolerance_);
    }
  }

  float tolerance_;
};

void expect_golden(const TaskGolden& golden, const EngineOptions& options) {
  const std::vector<Result<Response>> answers = answers_of(golden, options);
  ASSERT_EQ(answers.size(), golden.cases.size());
  Comparison comparison(2e-5f);
  for (size_t i = 0; i < answers.size(); ++i) {
    SCOPED_TRACE(golden.cases[i].description);
    ASSERT_TRUE(answers[i].ok()) << answers[i].status().message();
    comparison.see(golden.cases[i], *answers[i]);
  }
}

class TaskGoldens : public testing::TestWithParam<std::string> {};

TEST_P(TaskGoldens, EveryDeviceBackendAndExecutor) {
  const TaskGolden golden = golden_of(GetParam());
  ASSERT_FALSE(golden.cases.empty());
  struct Configuration {
    const char* device;
    const char* attention;
    const char* executor;
  };
  for (const Configuration& configuration :
       {Configuration{"cpu", "flash", "double_buffer"}, Configuration{"cpu", "naive", "simple"},
        Configuration{"emulated", "naive", "double_buffer"}}) {
    SCOPED_TRACE(std::string(configuration.device) + " " + configuration.attention + " " +
                 configuration.executor);
    EngineOptions options;
    options.device = configuration.device;
    options.attention_backend = configuration.attention;
    options.executor = configuration.executor;
    expect_golden(golden, options);
  }
}

INSTANTIATE_TEST_SUITE_P(Models, TaskGoldens, testing::ValuesIn(golden_names()),
                         [](const auto& parameter) { return parameter.param; });

// Every number of an answer, in its order.
std::vector<float> numbers_of(const Response& response) {
  std::vector<float> numbers = response.values;
  const auto append = [&](const std::vector<float>& more) {
    numbers.insert(numbers.end(), more.begin(), more.end());
  };
  append(response.token_vectors.values);
  append(response.sparse.values);
  for (const LabelScore& label : response.labels) numbers.push_back(label.score);
  for (const LabelledSpan& span : response.spans) numbers.push_back(span.score);
  return numbers;
}

bool same_bits(const Response& a, const Response& b) {
  const std::vector<float> first = numbers_of(a), second = numbers_of(b);
  const auto same_label = [](const auto& x, const auto& y) { return x.label == y.label; };
  return first.size() == second.size() && a.sparse.indices == b.sparse.indices &&
         std::equal(a.labels.begin(), a.labels.end(), b.labels.begin(), b.labels.end(),
                    same_label) &&
         std::equal(a.spans.begin(), a.spans.end(), b.spans.begin(), b.spans.end(), same_label) &&
         (first.empty() ||
          std::memcmp(first.data(), second.data(), first.size() * sizeof(float)) == 0);
}

// An answer does not depend on what else is computed with it.
TEST_P(TaskGoldens, TheSameBitsInEveryBatch) {
  const TaskGolden golden = golden_of(GetParam());
  for (const char* dtype : {"f32", "bf16", "int8"}) {
    SCOPED_TRACE(dtype);
    EngineOptions alone;
    alone.dtype = dtype;
    alone.executor = "simple";
    alone.threads = 1;
    alone.max_batch_requests = 1;
    const std::vector<Result<Response>> expected = answers_of(golden, alone);
    EngineOptions together = alone;
    together.executor = "double_buffer";
    together.threads = 2;
    together.max_batch_requests = 17;
    const std::vector<Result<Response>> answers = answers_of(golden, together);
    ASSERT_EQ(answers.size(), expected.size());
    for (size_t i = 0; i < answers.size(); ++i) {
      ASSERT_TRUE(answers[i].ok() && expected[i].ok()) << golden.cases[i].description;
      ASSERT_TRUE(same_bits(*answers[i], *expected[i])) << golden.cases[i].description;
    }
  }
}

// The vectors of answers, for tasks whose answers are long enough to have a direction.
std::vector<float> vector_of(const Response& response) {
  std::vector<float> vector = dense(response.sparse);
  if (vector.empty()) vector = response.values;
  vector.insert(vector.end(), response.token_vectors.values.begin(),
                response.token_vectors.values.end());
  return vector;
}

// bf16 and int8 keep the direction of vectors, and move a score a little. Measured with AVX2:
// cosines from 0.99923, scores within 0.011; three times that angle and that difference are
// allowed.
TEST_P(TaskGoldens, LowPrecisionStaysNear) {
  const TaskGolden golden = golden_of(GetParam());
  for (const char* dtype : {"bf16", "int8"}) {
    SCOPED_TRACE(dtype);
    EngineOptions options;
    options.dtype = dtype;
    const std::vector<Result<Response>> answers = answers_of(golden, options);
    double smallest = 1, largest = 0;
    for (size_t i = 0; i < answers.size(); ++i) {
      ASSERT_TRUE(answers[i].ok()) << answers[i].status().message();
      std::vector<float> a = vector_of(*answers[i]), b = vector_of(golden.cases[i].expected);
      if (b.size() > 4) {
        a.resize(std::max(a.size(), b.size()));
        b.resize(a.size());
        smallest = std::min(smallest, test::cosine(a, b));
      } else if (b.size() == 1 && !golden.cases[i].request.raw_scores) {
        largest = std::max(largest, std::abs(double{a[0]} - b[0]) / (1 + std::abs(b[0])));
      }
    }
    std::printf("%s: smallest cosine %.6f, largest score difference %.4f\n", dtype, smallest,
                largest);
    EXPECT_GE(smallest, 0.993);
    EXPECT_LE(largest, 0.033);
  }
}

TEST(TaskGoldensOfSpans, TheirTextIsCutFromTheInput) {
  const TaskGolden golden = golden_of("bert_tokens");
  const std::vector<Result<Response>> answers = answers_of(golden, {});
  size_t spans = 0;
  for (size_t i = 0; i < answers.size(); ++i) {
    ASSERT_TRUE(answers[i].ok());
    const std::string text =
        replace_invalid_utf8(std::get<std::string>(golden.cases[i].request.input));
    for (const LabelledSpan& span : answers[i]->spans) {
      EXPECT_EQ(span.text, cut(text, span.begin, span.end));
      ++spans;
    }
  }
  EXPECT_GT(spans, 100u);
}

}  // namespace
}  // namespace wde
