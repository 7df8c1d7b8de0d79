// The GEMM backend "tiled": own kernels (tiled_gemm_kernels.cc) for every instruction set. Only for
// ops/gemm.cc.
#pragma once

#include "ops/gemm.h"

namespace wde::ops {

std::string tiled_gemm_refusal(const GemmProblem& problem, const Device& device,
                               const OpTable& ops);
Result<std::unique_ptr<Gemm>> create_tiled_gemm(const GemmProblem& problem,
                                                const GemmWeights& weights, Device& device,
                                                const OpTable& ops);

}  // namespace wde::ops
