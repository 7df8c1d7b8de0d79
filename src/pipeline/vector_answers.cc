#include "pipeline/vector_answers.h"

#include <algorithm>
#include <cmath>
#include <map>

namespace wde::pipeline {
namespace {

// torch.nn.functional.normalize: x / max(|x|, 1e-12).
void l2_normalize(std::vector<float>* row) {
  double sum = 0;
  for (const float x : *row) sum += static_cast<double>(x) * x;
  const auto norm = static_cast<float>(std::max(std::sqrt(sum), 1e-12));
  for (float& x : *row) x /= norm;
}

// The rows of the tokens that the request keeps.
Matrix kept_rows(const schema::SchedulableRequest& request, const RequestRows& rows) {
  Matrix kept{.columns = rows.columns};
  if (request.kept.empty()) {
    kept.rows = rows.rows();
    kept.values.assign(rows.values.begin(), rows.values.end());
    return kept;
  }
  for (int64_t i = 0; i < rows.rows(); ++i) {
    if (request.kept[static_cast<size_t>(i)] == 0) continue;
    const std::span<const float> row = rows.row(i);
    kept.values.insert(kept.values.end(), row.begin(), row.end());
    ++kept.rows;
  }
  return kept;
}

}  // namespace

void EmbeddingAnswers::make(const schema::SchedulableRequest& request,
                            std::span<const RequestRows> parts, Response* response) const {
  const RequestRows& rows = parts.front();
  response->rows = 1;
  response->columns = request.output.dimensions > 0
                          ? std::min<int64_t>(rows.columns, request.output.dimensions)
                          : rows.columns;
  const std::span<const float> row = rows.values.first(static_cast<size_t>(response->columns));
  response->values.assign(row.begin(), row.end());
  if (request.output.normalize) l2_normalize(&response->values);
}

void TokenAnswers::make(const schema::SchedulableRequest& request,
                        std::span<const RequestRows> parts, Response* response) const {
  Matrix kept = kept_rows(request, parts.front());
  response->rows = kept.rows;
  response->columns = kept.columns;
  response->values = std::move(kept.values);
}

void VocabularyAnswers::make(const schema::SchedulableRequest&, std::span<const RequestRows> parts,
                             Response* response) const {
  const std::span<const float> logits = parts.front().values;
  for (size_t i = 0; i < logits.size(); ++i) {
    float value = logits[i];
    if (!(value > 0)) continue;
    for (int repeat = 0; repeat < repeats_; ++repeat) value = std::log1p(value);
    if (value == 0) continue;  // a denormal's logarithm
    response->sparse.indices.push_back(static_cast<int32_t>(i));
    response->sparse.values.push_back(value);
  }
}

TokenWeightAnswers::TokenWeightAnswers(std::vector<int32_t> dropped_ids)
    : dropped_ids_(std::move(dropped_ids)) {
  std::sort(dropped_ids_.begin(), dropped_ids_.end());
}

void TokenWeightAnswers::make(const schema::SchedulableRequest& request,
                              std::span<const RequestRows> parts, Response* response) const {
  std::map<int32_t, float> largest;
  for (size_t i = 0; i < request.ids.size(); ++i) {
    const float weight = parts.front().values[i];
    if (!(weight > 0)) continue;
    if (std::binary_search(dropped_ids_.begin(), dropped_ids_.end(), request.ids[i])) continue;
    float& entry = largest[request.ids[i]];
    entry = std::max(entry, weight);
  }
  for (const auto& [index, weight] : largest) {
    response->sparse.indices.push_back(index);
    response->sparse.values.push_back(weight);
  }
}

void HybridAnswers::make(const schema::SchedulableRequest& request,
                         std::span<const RequestRows> parts, Response* response) const {
  dense_.make(request, parts.subspan(0, 1), response);
  sparse_.make(request, parts.subspan(1, 1), response);
  response->token_vectors = kept_rows(request, parts[2]);
}

}  // namespace wde::pipeline
