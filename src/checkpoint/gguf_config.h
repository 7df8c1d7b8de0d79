// config.json of what a GGUF file's metadata says. Only for checkpoint/gguf_model.cc and
// gguf_tensors.cc.
#pragma once

#include <string>
#include <string_view>

#include "base/json.h"
#include "base/status.h"
#include "checkpoint/weight_source.h"

namespace wde::checkpoint {

struct GgufArchitecture {
  std::string_view name;        // "general.architecture"
  std::string_view model_type;  // of config.json
  std::string_view class_name;  // of its "architectures"
  bool permutes_heads = false;  // rows of q and k stand in the order of ggml's first rotary kind
  bool norms_add_one = false;   // norm weights have 1 added
};

struct GgufConfig {
  const GgufArchitecture* architecture = nullptr;
  json::object config;
  int64_t pooling_type = -1;
  int64_t heads = 0;
  int64_t kv_heads = 0;

  // Errors: kDataLoss, kUnsupported; each names the key.
  static Result<GgufConfig> read(const json::object& metadata, const WeightSource& tensors);
};

}  // namespace wde::checkpoint
