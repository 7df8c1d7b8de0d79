#include "support/golden_file.h"

#include <algorithm>
#include <boost/json.hpp>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "support/paths.h"

namespace wde::test {
namespace {

namespace bj = boost::json;

bj::value parse(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::stringstream content;
  content << file.rdbuf();
  boost::system::error_code error;
  bj::value parsed = bj::parse(content.str(), error);
  if (error) {
    std::fprintf(stderr, "golden %s: %s\n", path.c_str(), error.message().c_str());
    std::abort();
  }
  return parsed;
}

std::string from_base64(std::string_view text) {
  static const std::string alphabet =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string bytes;
  uint32_t bits = 0;
  int count = 0;
  for (const char c : text) {
    const size_t digit = alphabet.find(c);
    if (digit == std::string::npos) continue;  // padding
    bits = bits << 6 | static_cast<uint32_t>(digit);
    count += 6;
    if (count >= 8) bytes += static_cast<char>(bits >> (count -= 8));
  }
  return bytes;
}

std::vector<float> floats(const bj::array& numbers) {
  std::vector<float> values;
  for (const bj::value& number : numbers) values.push_back(number.to_number<float>());
  return values;
}

// The text of the real data that a reference names; nothing when the data is not here.
std::optional<std::string> referenced_text(const bj::object& reference) {
  const std::string path = real_data(std::string(reference.at("file").as_string()));
  if (path.empty()) return std::nullopt;
  if (path.ends_with(".csv")) {
    std::ifstream file(path);
    std::string line;
    for (int64_t row = reference.at("row").as_int64(); row >= 0; --row) std::getline(file, line);
    std::stringstream fields(line);
    std::string field;
    for (int64_t column = reference.at("column").as_int64(); column >= 0; --column)
      std::getline(fields, field, ',');
    return field;
  }
  const bj::value document = parse(path);
  const auto index = [&](const char* key) {
    return static_cast<size_t>(reference.at(key).as_int64());
  };
  const bj::value& paragraph =
      document.at("data").at(index("article")).at("paragraphs").at(index("paragraph"));
  if (reference.at("field").as_string() == "context")
    return std::string(paragraph.at("context").as_string());
  return std::string(paragraph.at("qas").at(index("index")).at("question").as_string());
}

std::optional<std::string> text_of(const bj::object& from, const std::string& key) {
  if (const bj::value* text = from.if_contains(key)) return std::string(text->as_string());
  if (const bj::value* bytes = from.if_contains(key + "_base64"))
    return from_base64(bytes->as_string());
  return std::nullopt;
}

void read_options(const bj::object& from, GoldenCase* out) {
  const bj::value* options = from.if_contains("options");
  if (options == nullptr) return;
  for (const auto& [key, value] : options->as_object()) {
    out->description += " " + std::string(key) + "=" + bj::serialize(value);
    if (key == "prompt") out->prompt = std::string(value.as_string());
    if (key == "adapter") out->request.adapter = std::string(value.as_string());
    if (key == "prompt_name") out->request.prompt_name = std::string(value.as_string());
    if (key == "dimensions") out->request.dimensions = static_cast<int>(value.as_int64());
    if (key == "max_length") out->max_length = static_cast<int>(value.as_int64());
    if (key == "truncation_side") out->request.truncation_side = TruncationSide::kLeft;
  }
}

void read_expected(const bj::object& from, GoldenCase* out) {
  if (const bj::value* dense = from.if_contains("embedding_base64")) {
    const std::string bytes = from_base64(dense->as_string());
    out->embedding.resize(bytes.size() / sizeof(float));
    std::memcpy(out->embedding.data(), bytes.data(), out->embedding.size() * sizeof(float));
    out->tokens = static_cast<int>(from.at("tokens").as_int64());
    return;
  }
  out->embedding = floats(from.at("embedding").as_array());
  for (const bj::value& id : from.at("ids").as_array())
    out->ids.push_back(static_cast<int32_t>(id.as_int64()));
  out->tokens = static_cast<int>(out->ids.size());
  if (const bj::value* rows = from.if_contains("hidden")) {
    for (const bj::value& row : rows->as_array()) {
      const std::vector<float> values = floats(row.as_array());
      out->hidden.insert(out->hidden.end(), values.begin(), values.end());
    }
  }
}

void read_task_options(const bj::object& options, Request* request) {
  for (const auto& [key, value] : options) {
    if (key == "raw_scores") request->raw_scores = value.as_bool();
    if (key == "aggregation") request->aggregation = parse_aggregation(value.as_string());
    if (key == "prompt_name") request->prompt_name = std::string(value.as_string());
  }
}

// Rows of equal length into a matrix.
Matrix matrix(const bj::array& rows) {
  Matrix read{.rows = static_cast<int64_t>(rows.size())};
  for (const bj::value& row : rows) {
    const std::vector<float> values = floats(row.as_array());
    read.columns = static_cast<int64_t>(values.size());
    read.values.insert(read.values.end(), values.begin(), values.end());
  }
  return read;
}

void read_task_answer(const bj::object& from, Task task, Response* expected) {
  if (const bj::value* score = from.if_contains("score")) {
    expected->values = {score->to_number<float>()};
  }
  if (const bj::value* labels = from.if_contains("labels")) {
    for (const bj::value& label : labels->as_array()) {
      expected->labels.push_back(
          {std::string(label.at(0).as_string()), label.at(1).to_number<float>()});
    }
  }
  if (const bj::value* spans = from.if_contains("spans")) {
    for (const bj::value& span : spans->as_array()) {
      expected->spans.push_back({.begin = span.at(0).to_number<int>(),
                                 .end = span.at(1).to_number<int>(),
                                 .label = std::string(span.at(2).as_string()),
                                 .score = span.at(3).to_number<float>()});
    }
  }
  if (const bj::value* indices = from.if_contains("indices")) {
    for (const bj::value& index : indices->as_array())
      expected->sparse.indices.push_back(index.to_number<int32_t>());
    expected->sparse.values = floats(from.at("values").as_array());
  }
  if (const bj::value* embedding = from.if_contains("embedding")) {
    expected->values = floats(embedding->as_array());
  }
  if (const bj::value* rows = from.if_contains("rows")) {
    Matrix read = matrix(rows->as_array());
    if (task == Task::kHybrid) {
      expected->token_vectors = std::move(read);
    } else {
      expected->rows = read.rows;
      expected->columns = read.columns;
      expected->values = std::move(read.values);
    }
  }
}

}  // namespace

std::vector<std::string> golden_names() {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(fixture("goldens"))) {
    const std::string name = entry.path().stem().string();
    if (name != "minilm") names.push_back(name);
  }
  std::sort(names.begin(), names.end());
  return names;
}

TaskGolden read_task_golden(const std::string& path) {
  const bj::value document = parse(path);
  const std::optional<Task> task = parse_task(document.at("task").as_string());
  TaskGolden golden{.model = std::string(document.at("model").as_string()), .cases = {}};
  for (const bj::value& entry : document.at("cases").as_array()) {
    const bj::object& from = entry.as_object();
    TaskCase task_case;
    const std::string text = text_of(from, "text").value();
    task_case.description =
        "\"" + text.substr(0, 40) + "\" " + bj::serialize(from.at("options").as_object());
    task_case.request.task = task.value();
    if (const auto pair = text_of(from, "pair")) {
      task_case.request.input = TextPair{text, *pair};
    } else {
      task_case.request.input = text;
    }
    read_task_options(from.at("options").as_object(), &task_case.request);
    read_task_answer(from, *task, &task_case.expected);
    golden.cases.push_back(std::move(task_case));
  }
  return golden;
}

Golden read_golden(const std::string& path, int* left_out) {
  const bj::value document = parse(path);
  Golden golden{.model = std::string(document.at("model").as_string()), .cases = {}};
  if (const bj::value* cosine = document.as_object().if_contains("bf16_cosine"))
    golden.bf16_cosine = cosine->to_number<double>();
  if (const bj::value* cosine = document.as_object().if_contains("int8_cosine"))
    golden.int8_cosine = cosine->to_number<double>();
  for (const bj::value& entry : document.at("cases").as_array()) {
    const bj::object& from = entry.as_object();
    GoldenCase golden_case;
    std::optional<std::string> text = text_of(from, "text");
    if (const bj::value* reference = from.if_contains("reference"))
      text = referenced_text(reference->as_object());
    if (!text) {
      if (left_out != nullptr) ++*left_out;
      continue;
    }
    golden_case.description = "\"" + text->substr(0, 40) + "\"";
    if (const auto pair = text_of(from, "pair")) {
      golden_case.request.input = TextPair{*text, *pair};
    } else {
      golden_case.request.input = *text;
    }
    read_options(from, &golden_case);
    read_expected(from, &golden_case);
    golden.cases.push_back(std::move(golden_case));
  }
  return golden;
}

float largest_difference(const std::vector<float>& a, const std::vector<float>& b) {
  if (a.size() != b.size()) return INFINITY;
  float largest = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    const float difference = std::abs(a[i] - b[i]);
    if (std::isnan(difference)) return INFINITY;
    largest = std::max(largest, difference);
  }
  return largest;
}

double cosine(const std::vector<float>& a, const std::vector<float>& b) {
  if (a.size() != b.size()) return -1;
  double ab = 0, aa = 0, bb = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    ab += static_cast<double>(a[i]) * b[i];
    aa += static_cast<double>(a[i]) * a[i];
    bb += static_cast<double>(b[i]) * b[i];
  }
  const double cosine = ab / std::sqrt(aa * bb);
  return std::isnan(cosine) ? -1 : cosine;
}

}  // namespace wde::test
