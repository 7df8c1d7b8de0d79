#include "pipeline/score_answers.h"

#include <algorithm>
#include <cmath>

namespace wde::pipeline {

std::vector<float> scores(std::span<const float> logits, ScoreFunction function) {
  std::vector<float> result(logits.begin(), logits.end());
  if (function == ScoreFunction::kIdentity) return result;
  if (function == ScoreFunction::kSigmoid) {
    for (float& x : result) x = static_cast<float>(1.0 / (1.0 + std::exp(-static_cast<double>(x))));
    return result;
  }
  const double largest = *std::max_element(logits.begin(), logits.end());
  double sum = 0;
  for (const float x : logits) sum += std::exp(x - largest);
  for (float& x : result) x = static_cast<float>(std::exp(x - largest) / sum);
  return result;
}

void RerankAnswers::make(const schema::SchedulableRequest& request,
                         std::span<const RequestRows> parts, Response* response) const {
  response->rows = 1;
  response->columns = parts.front().columns;
  response->values = scores(parts.front().values,
                            request.output.raw_scores ? ScoreFunction::kIdentity : function_);
}

void TokenScoreAnswers::make(const schema::SchedulableRequest& request,
                             std::span<const RequestRows> parts, Response* response) const {
  const auto capped = [&](float logit) {
    return logit_cap_ > 0 ? logit_cap_ * std::tanh(logit / logit_cap_) : logit;
  };
  const std::span<const float> logits = parts.front().values;
  const float score = capped(logits[0]) - (logits.size() > 1 ? capped(logits[1]) : 0.0f);
  response->rows = response->columns = 1;
  response->values =
      scores({&score, 1}, request.output.raw_scores ? ScoreFunction::kIdentity : function_);
}

void ClassifyAnswers::make(const schema::SchedulableRequest& request,
                           std::span<const RequestRows> parts, Response* response) const {
  const std::vector<float> values = scores(
      parts.front().values, request.output.raw_scores ? ScoreFunction::kIdentity : function_);
  for (size_t i = 0; i < values.size(); ++i) response->labels.push_back({labels_[i], values[i]});
  std::stable_sort(response->labels.begin(), response->labels.end(),
                   [](const LabelScore& a, const LabelScore& b) { return a.score > b.score; });
}

}  // namespace wde::pipeline
