// The layers of a recipe, found in a checkpoint.
#pragma once

#include <optional>

#include "checkpoint/weight_source.h"
#include "heads/recipe.h"
#include "layers/layer_norm.h"
#include "layers/linear.h"

namespace wde::heads {

// Where a recipe's layers are read from; only while loading.
struct RecipeSource {
  const Recipe* recipe = nullptr;
  const json::object* config = nullptr;
  const checkpoint::WeightSource* weights = nullptr;
  int64_t hidden_size = 0;
};

struct WeightAndBias {
  TensorView weight;
  TensorView bias;  // data null for none
};

// What the dense layer gives, or the hidden size without one. Errors: kDataLoss (the config).
Result<int64_t> dense_size(const RecipeSource& source);

// Each is empty where the recipe has no such layer. A module's tensors are also found without the
// first part of its name ("pooler.dense" for "bert.pooler.dense"), a norm's as "gamma" and "beta"
// too. Errors: kNotFound, kDataLoss (shapes; config), kUnsupported (an activation).
Result<std::optional<WeightAndBias>> find_dense(const RecipeSource& source);
Result<std::optional<layers::LayerNorm>> load_norm(const RecipeSource& source,
                                                   layers::LoadContext& context);
// The output layer [outputs, dense_size]. Errors: kNotFound, kDataLoss.
Result<WeightAndBias> find_output(const RecipeSource& source, int64_t outputs);

}  // namespace wde::heads
