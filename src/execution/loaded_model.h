// The model and its heads on one device: what all workers there share.
#pragma once

#include <memory>
#include <vector>

#include "heads/head.h"
#include "layers/load_context.h"
#include "models/model.h"
#include "wde/types.h"

namespace wde::execution {

// The heads whose rows make a task's answer, in the order in which its answers take them.
struct TaskHeads {
  Task task;
  std::vector<const heads::Head*> parts;
};

struct LoadedModel {
  layers::ParameterStore store;                // destroyed last: the others' views point into it
  std::shared_ptr<const void> mapped_weights;  // keeps the checkpoint's mapping alive
  std::unique_ptr<models::Model> model;
  std::vector<std::unique_ptr<heads::Head>> heads;
  std::vector<TaskHeads> tasks;  // that the workflow serves
  size_t weight_bytes = 0;
  size_t mapped_bytes = 0;  // of these, tables that are read where the checkpoint is mapped

  // Takes a head over; the pointer is for `tasks`.
  const heads::Head* add(std::unique_ptr<heads::Head> head);
  // The heads of a served task.
  const std::vector<const heads::Head*>& parts(Task task) const;
};

}  // namespace wde::execution
