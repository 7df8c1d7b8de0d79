// The plain loops of ops/experts.h, fp64 sums; on any device that runs host code.
#pragma once

#include "ops/experts.h"

namespace wde::ops::ref {

// Errors: kResourceExhausted.
Result<std::unique_ptr<Experts>> create_reference_experts(const ExpertsProblem& problem,
                                                          const ExpertsWeights& weights,
                                                          Device& device);

}  // namespace wde::ops::ref
