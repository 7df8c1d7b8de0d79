// Reads tests/data/goldens/*.json (format: tests/data/README.md) into requests and expected
// answers.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "wde/types.h"

namespace wde::test {

struct GoldenCase {
  Request request;
  // Engine-wide options of the case; a case that has any needs an engine of its own.
  std::optional<std::string> prompt;
  std::optional<int> max_length;
  std::string description;   // for failure messages
  std::vector<int32_t> ids;  // empty in the dense form
  int tokens = 0;
  std::vector<float> embedding;
  std::vector<float> hidden;  // row-major; empty where the golden has none
};

struct Golden {
  std::string model;  // folder under tests/data, or a hub id
  // Between torch's answers in bf16, or of 8-bit products, and those in fp32: the smallest over the
  // cases' embeddings and hidden states. 1 where not measured.
  double bf16_cosine = 1, int8_cosine = 1;
  std::vector<GoldenCase> cases;
};

// Of every tiny model, sorted: tests/data/goldens/<name>.json beside models/<name>.
std::vector<std::string> golden_names();

// Aborts the test program with a message when the file is not what the README says. Cases that
// refer to real data that is not on this machine are left out, and counted in *left_out.
Golden read_golden(const std::string& path, int* left_out = nullptr);

// One case of tests/data/task_goldens/*.json: a request with its task's options, and the parts of a
// Response that its answer must have.
struct TaskCase {
  Request request;
  std::string description;
  Response expected;  // spans without their texts
};

struct TaskGolden {
  std::string model;  // folder under tests/data
  std::vector<TaskCase> cases;
};

// Aborts as read_golden does.
TaskGolden read_task_golden(const std::string& path);

// Largest absolute difference, and cosine, of two vectors; infinity and -1 where the sizes differ
// or a number is none.
float largest_difference(const std::vector<float>& a, const std::vector<float>& b);
double cosine(const std::vector<float>& a, const std::vector<float>& b);

}  // namespace wde::test
