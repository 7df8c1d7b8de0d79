#include "workflow/own_vector.h"

#include <fmt/ranges.h>

#include <algorithm>

#include "base/status.h"

namespace wde::workflow {

Status use_own_vector(Settings* settings) {
  const models::TextVector& vector = settings->traits.vector;
  heads::EmbeddingHeadSpec& spec = settings->embedding_head;
  spec.poolings = {vector.pooling};
  spec.marker = vector.marker;
  if (vector.projections.empty()) return {};
  const checkpoint::WeightSource* weights = settings->folder.weights.get();
  const auto& names = vector.projections;
  const auto found = std::find_if(names.begin(), names.end(), [&](const std::string& name) {
    return weights != nullptr && weights->has(name + ".weight");
  });
  if (found == names.end())
    return not_found_error("no tensor \"{}.weight\"", fmt::join(names, ".weight\" or \""));
  spec.steps.emplace_back(heads::DenseStep{.in_features = settings->traits.hidden_size,
                                           .out_features = vector.size,
                                           .bias = vector.bias,
                                           .activation = ops::Activation::kNone,
                                           .weights = weights,
                                           .name = *found});
  return {};
}

}  // namespace wde::workflow
