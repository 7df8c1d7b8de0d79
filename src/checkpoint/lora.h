// Low-rank adapters (Hu et al. 2021, arXiv:2106.09685) as PEFT saves them, merged into the weights
// that they were trained on: W + scale * B A. A tensor is merged row by row when it is read.
#pragma once

#include <memory>
#include <string>

#include "base/status.h"
#include "checkpoint/weight_source.h"

namespace wde::checkpoint {

// `base` with the adapter of `folder` (adapter_config.json with adapter_model.safetensors or
// adapter_model.bin). Names of the adapter's modules may stand under another prefix than the
// checkpoint's ("layers.0" for "model.layers.0"): the same for all of them. Every tensor of the
// adapter has its place, or the adapter is refused.
// Errors: those of read_lora_config; kNotFound, kIoError (no tensors); kDataLoss naming the tensor:
// of a module that the model lacks, of another shape, without its other half, or of a rank that the
// config does not say; kUnsupported (DoRA and other parts, by the tensor's name).
Result<std::shared_ptr<const WeightSource>> merge_lora(std::shared_ptr<const WeightSource> base,
                                                       const std::string& folder);

}  // namespace wde::checkpoint
