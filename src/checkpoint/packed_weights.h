// Checkpoints whose matrices are integers of 4 or 8 bits, as config.json's "quantization_config"
// says: GPTQ (Frantar et al. 2022, arXiv:2210.17323; AutoGPTQ's and GPTQModel's files) and AWQ (Lin
// et al. 2023, arXiv:2306.00978; AutoAWQ's). Instead of "x.weight" they hold "x.qweight",
// "x.qzeros", "x.scales" and with GPTQ "x.g_idx".
#pragma once

#include <memory>

#include "base/json.h"
#include "base/status.h"
#include "checkpoint/weight_source.h"

namespace wde::checkpoint {

// `source` with each such module's "x.weight" [outputs, inputs] among its names, kept as codes
// (tensor/computed_rows.h), instead of its four tensors; `source` itself where the config has no
// "quantization_config". Errors: kUnsupported (another method, number of bits or layout, by the
// field's name), kDataLoss (a tensor that is missing or has another shape or dtype than the others
// ask for, by its name).
Result<std::shared_ptr<const WeightSource>> unpack_quantized(
    std::shared_ptr<const WeightSource> source, const json::object& config);

}  // namespace wde::checkpoint
