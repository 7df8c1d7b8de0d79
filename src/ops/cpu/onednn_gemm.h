// The GEMM backend "onednn": oneDNN's matmul on packed weights. Only for ops/gemm.cc and its tests.
#pragma once

#include "ops/gemm.h"

namespace wde::ops {

std::string onednn_gemm_refusal(const GemmProblem& problem, const Device& device,
                                const OpTable& ops);
Result<std::unique_ptr<Gemm>> create_onednn_gemm(const GemmProblem& problem,
                                                 const GemmWeights& weights, Device& device,
                                                 const OpTable& ops);

}  // namespace wde::ops
