// sentence-transformers' modules.json and the folders it names, in the spellings of its releases 2
// to 6.
#pragma once

#include <string>
#include <vector>

#include "base/status.h"
#include "checkpoint/model_folder.h"

namespace wde::checkpoint {

struct ModuleList {
  std::string transformer_path;  // of the input module, relative to the folder; "" is itself
  InputModule input = InputModule::kTransformer;
  std::vector<std::string> routes;  // of a Router; empty without one
  std::string route;                // the one that `modules` follows
  std::vector<Module> modules;      // those after the input module
  json::object mask_config;         // the MultiVectorMask's; empty where there is none
};

// Reads `folder`/modules.json, which must exist. Dropout, which does nothing at inference, is left
// out; a Router (once Asym) stands for the modules of the route that `options` names. Errors:
// kDataLoss, kNotFound (a module's file), kUnsupported (a module type, or an option of a module,
// that is not supported, by name).
Result<ModuleList> read_sentence_modules(const std::string& folder, const ReadOptions& options);

}  // namespace wde::checkpoint
