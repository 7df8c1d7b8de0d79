#include "pipeline/output_processor.h"

#include <algorithm>

#include "base/status.h"

namespace wde::pipeline {
namespace {

// A part's rows from row `first` on that belong to the request.
RequestRows rows_of(const schema::SchedulableRequest& request, const schema::RawPart& part,
                    size_t first) {
  const auto columns = static_cast<size_t>(part.columns);
  const size_t rows = part.per_token ? request.ids.size() : 1;
  return {.values = part.values.subspan(first * columns, rows * columns), .columns = part.columns};
}

}  // namespace

const AnswerMaker& OutputProcessor::maker(Task task) const {
  const auto found = std::find_if(makers_.begin(), makers_.end(),
                                  [task](const TaskAnswers& entry) { return entry.task == task; });
  WDE_CHECK(found != makers_.end());  // the input processor lets only served tasks through
  return *found->maker;
}

Response OutputProcessor::make_response(const schema::SchedulableRequest& request,
                                        std::span<const RequestRows> rows) const {
  Response response;
  response.task = request.task;
  maker(request.task).make(request, rows, &response);
  response.tokens = request.tokens();
  response.characters = request.characters;
  response.truncated = request.truncated;
  response.timestamps = request.timestamps;
  return response;
}

void OutputProcessor::answer_part(const schema::SchedulableRequest& part,
                                  const RequestRows& row) const {
  schema::Averaging& averaging = *part.averaging;
  if (!averaging.add(part.part, row.values, part.tokens(), part.timestamps)) return;
  const std::vector<float> mean = averaging.mean();
  const RequestRows mean_row{.values = mean, .columns = row.columns};
  Response response = make_response(part, {&mean_row, 1});
  response.tokens = averaging.tokens();
  response.parts = static_cast<int>(averaging.parts());
  response.timestamps = averaging.timestamps();
  part.ticket->answer(std::move(response));
}

void OutputProcessor::answer(schema::Batch* batch, const schema::RawOutput& output) const {
  size_t sequence = 0, token = 0;
  std::vector<RequestRows> rows(output.parts.size());
  for (schema::SchedulableRequest& request : batch->requests) {
    if (!output.status.ok()) {
      request.ticket->answer(output.status);
      continue;
    }
    for (size_t i = 0; i < output.parts.size(); ++i) {
      rows[i] = rows_of(request, output.parts[i], output.parts[i].per_token ? token : sequence);
    }
    if (request.averaging != nullptr) {
      answer_part(request, rows.front());
    } else {
      request.ticket->answer(make_response(request, rows));
    }
    ++sequence;
    token += request.ids.size();
  }
}

}  // namespace wde::pipeline
