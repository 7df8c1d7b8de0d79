#include "heads/recipe_layers.h"

#include <string>

#include "base/status.h"

namespace wde::heads {
namespace {

// The name under which the checkpoint has `tensor`: as it is, else without its first part, else as
// it is again, for the error.
std::string name_in(const checkpoint::WeightSource& weights, std::string tensor) {
  if (weights.has(tensor)) return tensor;
  const size_t dot = tensor.find('.');
  if (dot != std::string::npos && weights.has(tensor.substr(dot + 1)))
    return tensor.substr(dot + 1);
  return tensor;
}

std::string tensor_of(const checkpoint::WeightSource& weights, std::string_view module,
                      std::string_view part) {
  return name_in(weights, std::string(module) + std::string(part));
}

// A null view where the checkpoint has none.
Result<TensorView> optional_tensor(const checkpoint::WeightSource& weights, const std::string& name,
                                   int64_t size) {
  if (!weights.has(name)) return TensorView();
  return weights.tensor(name, Shape{size});
}

}  // namespace

Result<int64_t> dense_size(const RecipeSource& source) {
  const RecipeDense& dense = source.recipe->dense;
  if (dense.size_field.empty()) return source.hidden_size;
  return json::get_int(*source.config, dense.size_field,
                       dense.size > 0 ? dense.size : source.hidden_size);
}

Result<std::optional<WeightAndBias>> find_dense(const RecipeSource& source) {
  const RecipeDense& dense = source.recipe->dense;
  if (dense.module.empty()) return std::optional<WeightAndBias>();
  WDE_ASSIGN_OR_RETURN(const int64_t outputs, dense_size(source));
  const checkpoint::WeightSource& weights = *source.weights;
  const bool has_module = weights.has(tensor_of(weights, dense.module, ".weight"));
  const std::string_view module =
      has_module || dense.other_module.empty() ? dense.module : dense.other_module;
  WeightAndBias found;
  WDE_ASSIGN_OR_RETURN(found.weight, weights.tensor(tensor_of(weights, module, ".weight"),
                                                    Shape{outputs, source.hidden_size}));
  WDE_ASSIGN_OR_RETURN(found.bias,
                       optional_tensor(weights, tensor_of(weights, module, ".bias"), outputs));
  return std::optional<WeightAndBias>(found);
}

Result<std::optional<layers::LayerNorm>> load_norm(const RecipeSource& source,
                                                   layers::LoadContext& context) {
  const RecipeNorm& norm = source.recipe->norm;
  if (norm.module.empty()) return std::optional<layers::LayerNorm>();
  WDE_ASSIGN_OR_RETURN(const int64_t size, dense_size(source));
  double epsilon = norm.epsilon;
  if (!norm.epsilon_field.empty()) {
    WDE_ASSIGN_OR_RETURN(epsilon,
                         json::get_double(*source.config, norm.epsilon_field, norm.epsilon));
  }
  const checkpoint::WeightSource& weights = *source.weights;
  const bool tensorflow = !weights.has(tensor_of(weights, norm.module, ".weight")) &&
                          weights.has(tensor_of(weights, norm.module, ".gamma"));
  WDE_ASSIGN_OR_RETURN(
      const TensorView weight,
      weights.tensor(tensor_of(weights, norm.module, tensorflow ? ".gamma" : ".weight"),
                     Shape{size}));
  WDE_ASSIGN_OR_RETURN(
      const TensorView bias,
      optional_tensor(weights, tensor_of(weights, norm.module, tensorflow ? ".beta" : ".bias"),
                      size));
  WDE_ASSIGN_OR_RETURN(layers::LayerNorm layer,
                       layers::LayerNorm::load(context, weight, bias, static_cast<float>(epsilon)));
  return std::optional<layers::LayerNorm>(std::move(layer));
}

Result<WeightAndBias> find_output(const RecipeSource& source, int64_t outputs) {
  const RecipeOutput& output = source.recipe->output;
  const checkpoint::WeightSource& weights = *source.weights;
  WDE_ASSIGN_OR_RETURN(const int64_t inputs, dense_size(source));
  std::string weight = tensor_of(weights, output.module, ".weight");
  if (!weights.has(weight) && !output.tied_table.empty()) {
    weight = name_in(weights, std::string(output.tied_table));
  }
  std::string bias = tensor_of(weights, output.module, ".bias");
  if (!weights.has(bias) && !output.bias.empty()) bias = name_in(weights, std::string(output.bias));
  WeightAndBias found;
  WDE_ASSIGN_OR_RETURN(found.weight, weights.tensor(weight, Shape{outputs, inputs}));
  WDE_ASSIGN_OR_RETURN(found.bias, optional_tensor(weights, bias, outputs));
  return found;
}

}  // namespace wde::heads
