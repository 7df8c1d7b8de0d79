#include "pipeline/step_answers.h"

#include "pipeline/code_points.h"
#include "pipeline/score_answers.h"

namespace wde::pipeline {

void StepAnswers::make(const schema::SchedulableRequest& request,
                       std::span<const RequestRows> parts, Response* response) const {
  const ScoreFunction function =
      labels_.size() == 1 ? ScoreFunction::kSigmoid : ScoreFunction::kSoftmax;
  const std::vector<size_t> bytes = code_point_bytes(request.text);
  int begin = 0;
  for (size_t i = 0; i < request.ids.size(); ++i) {
    if (request.ids[i] != step_token_) continue;
    const schema::TextToken& token = request.text_tokens[i];
    if (token.special) continue;  // the prompt's
    const size_t first = bytes[static_cast<size_t>(begin)];
    const size_t last = bytes[static_cast<size_t>(token.begin)];
    response->spans.push_back(
        {.begin = begin,
         .end = token.begin,
         .label = labels_.back(),
         .score = scores(parts.front().row(static_cast<int64_t>(i)), function).back(),
         .text = request.text.substr(first, last - first)});
    begin = token.end;
  }
}

}  // namespace wde::pipeline
