// A GGUF file's tensors by transformers' names. Only for checkpoint/gguf_model.cc.
#pragma once

#include <memory>

#include "base/status.h"
#include "checkpoint/gguf_config.h"
#include "checkpoint/weight_source.h"

namespace wde::checkpoint {

// Errors: kUnsupported, naming a tensor that has no place in the architecture; kDataLoss.
Result<std::shared_ptr<const WeightSource>> rename_gguf_tensors(
    std::shared_ptr<const WeightSource> tensors, const GgufConfig& config);

}  // namespace wde::checkpoint
