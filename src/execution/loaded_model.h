// The model and its heads on one device: what all workers there share.
#pragma once

#include <memory>

#include "heads/head.h"
#include "layers/load_context.h"
#include "models/model.h"
#include "wde/types.h"

namespace wde::execution {

struct LoadedModel {
  layers::ParameterStore store;                // destroyed last: the others' views point into it
  std::shared_ptr<const void> mapped_weights;  // keeps the checkpoint's mapping alive
  std::unique_ptr<models::Model> model;
  std::unique_ptr<heads::Head> embedding_head;  // null when the workflow has none
  std::unique_ptr<heads::Head> hidden_head;
  size_t weight_bytes = 0;

  const heads::Head& head(Task task) const {
    return task == Task::kHidden ? *hidden_head : *embedding_head;
  }
};

}  // namespace wde::execution
