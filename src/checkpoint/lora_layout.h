// Which way round a model's matrices are stored: what an adapter's "fan_in_fan_out" has to agree
// with. The shape of a square one does not tell; its neighbours in the file do where they have
// biases.
#pragma once

#include <string>

#include "base/status.h"
#include "checkpoint/weight_source.h"

namespace wde::checkpoint {

// Errors: kDataLoss where `fan_in_fan_out` says that the square matrix `name` is stored [in, out],
// or not, and every matrix of the model that tells is stored the other way round.
Status check_layout(const WeightSource& model, const std::string& name, const Shape& shape,
                    bool fan_in_fan_out);

}  // namespace wde::checkpoint
