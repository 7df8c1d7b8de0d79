// Which of a config's "architectures" is served here, and by what: a backbone of models/registry.cc
// alone, or one with a head of heads/recipe.cc.
#pragma once

#include <algorithm>
#include <string>

#include "checkpoint/model_folder.h"
#include "heads/recipe.h"
#include "models/registry.h"

namespace wde::workflow {

struct Architecture {
  const models::ModelEntry* backbone = nullptr;
  const heads::Recipe* recipe = nullptr;  // null: the checkpoint is an encoder alone
};

// Whether modules.json has one of the kind.
template <class Module>
bool has_module(const checkpoint::ModelFolder& folder) {
  return std::any_of(folder.modules.begin(), folder.modules.end(),
                     [](const auto& module) { return std::holds_alternative<Module>(module); });
}

// Errors: kUnsupported, naming the architecture and the nearest that there are.
Result<Architecture> find_architecture(const checkpoint::ModelFolder& folder);

// Empty when the folder's architecture has a head of `kind`, else the reason why it is not served.
std::string recipe_refusal(const checkpoint::ModelFolder& folder, heads::HeadKind kind);

}  // namespace wde::workflow
