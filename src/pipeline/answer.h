// What one task's answers are made of: the rows that its heads gave a request, turned into the
// Response. One class a family of tasks; the output processor holds a table of them. Engine thread;
// immutable.
#pragma once

#include <span>

#include "schema/schema.h"

namespace wde::pipeline {

// The rows of one head that belong to one request, row-major.
struct RequestRows {
  std::span<const float> values;
  int64_t columns = 0;

  int64_t rows() const { return static_cast<int64_t>(values.size()) / columns; }
  std::span<const float> row(int64_t index) const {
    return values.subspan(static_cast<size_t>(index * columns), static_cast<size_t>(columns));
  }
};

class AnswerMaker {
 public:
  virtual ~AnswerMaker() = default;
  // `parts` are in the order of the task's heads. Fills the task's parts of *response; the rest
  // (task, tokens, timestamps) is the output processor's.
  virtual void make(const schema::SchedulableRequest& request, std::span<const RequestRows> parts,
                    Response* response) const = 0;
};

}  // namespace wde::pipeline
