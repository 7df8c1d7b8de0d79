// A mixture of experts on a CPU: rows are gathered by expert, go through its two GEMMs together,
// and are summed row by row in the order of their shares.
#pragma once

#include "ops/experts.h"

namespace wde::ops {

// Errors: those of create_gemm.
Result<std::unique_ptr<Experts>> create_grouped_experts(const ExpertsProblem& problem,
                                                        const ExpertsWeights& weights,
                                                        Device& device, const OpTable& ops,
                                                        std::string_view gemm_backend);

}  // namespace wde::ops
