// The GEMM backend "reference": plain loops over an unpacked matrix, for the cpu and emulated
// devices. Only for ops/gemm.cc.
#pragma once

#include "ops/gemm.h"

namespace wde::ops::ref {

std::string reference_gemm_refusal(const GemmProblem& problem, const Device& device,
                                   const OpTable& ops);
Result<std::unique_ptr<Gemm>> create_reference_gemm(const GemmProblem& problem,
                                                    const GemmWeights& weights, Device& device,
                                                    const OpTable& ops);

}  // namespace wde::ops::ref
