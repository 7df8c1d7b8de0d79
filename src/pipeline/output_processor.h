// The last station: rows from the device to the client's answer. Engine thread; immutable.
#pragma once

#include <memory>
#include <vector>

#include "pipeline/answer.h"
#include "schema/schema.h"

namespace wde::pipeline {

// Who makes a task's answers.
struct TaskAnswers {
  Task task;
  std::shared_ptr<const AnswerMaker> maker;
};

class OutputProcessor {
 public:
  // A maker for each task that the workflow serves.
  explicit OutputProcessor(std::vector<TaskAnswers> makers) : makers_(std::move(makers)) {}

  // Answers every request of the batch, in order, from the raw output (or with its error). A text
  // in parts is answered with its last one, or with the first error.
  void answer(schema::Batch* batch, const schema::RawOutput& output) const;

 private:
  const AnswerMaker& maker(Task task) const;
  Response make_response(const schema::SchedulableRequest& request,
                         std::span<const RequestRows> rows) const;
  void answer_part(const schema::SchedulableRequest& part, const RequestRows& row) const;

  std::vector<TaskAnswers> makers_;
};

}  // namespace wde::pipeline
