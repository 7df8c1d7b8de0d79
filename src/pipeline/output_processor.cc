#include "pipeline/output_processor.h"

#include <algorithm>
#include <cmath>

namespace wde::pipeline {
namespace {

// torch.nn.functional.normalize: x / max(|x|, 1e-12).
void l2_normalize(std::vector<float>* row) {
  double sum = 0;
  for (const float x : *row) sum += static_cast<double>(x) * x;
  const auto norm = static_cast<float>(std::max(std::sqrt(sum), 1e-12));
  for (float& x : *row) x /= norm;
}

Response make_response(const schema::SchedulableRequest& request, std::span<const float> rows,
                       int64_t columns) {
  Response response;
  response.task = request.task;
  response.columns = columns;
  if (request.task == Task::kEmbed && request.output.dimensions > 0) {
    response.columns = std::min<int64_t>(columns, request.output.dimensions);
    rows = rows.first(static_cast<size_t>(response.columns));
  }
  response.rows = static_cast<int64_t>(rows.size()) / response.columns;
  response.values.assign(rows.begin(), rows.end());
  if (request.task == Task::kEmbed && request.output.normalize) l2_normalize(&response.values);
  response.tokens = request.tokens();
  response.characters = request.characters;
  response.truncated = request.truncated;
  response.timestamps = request.timestamps;
  return response;
}

}  // namespace

void OutputProcessor::answer(schema::Batch* batch, const schema::RawOutput& output) const {
  const auto columns = static_cast<size_t>(output.columns);
  size_t at = 0;
  for (schema::SchedulableRequest& request : batch->requests) {
    if (!output.status.ok()) {
      request.ticket->answer(output.status);
      continue;
    }
    const size_t rows = request.task == Task::kHidden ? request.ids.size() : 1;
    request.ticket->answer(make_response(
        request, output.values.subspan(at * columns, rows * columns), output.columns));
    at += rows;
  }
}

}  // namespace wde::pipeline
