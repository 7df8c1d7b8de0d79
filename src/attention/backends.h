// The rows of the attention registry (attention.cc) and what they share. Only for src/attention.
#pragma once

#include "attention/attention.h"

namespace wde::attention {

// What no backend can do: empty when the problem makes sense, else the reason why not.
std::string problem_refusal(const AttentionProblem& problem);

std::string flash_refusal(const AttentionProblem& problem, const Device& device,
                          const ops::OpTable& ops);
std::unique_ptr<Attention> create_flash(const AttentionProblem& problem, const ops::OpTable& ops);

std::string naive_refusal(const AttentionProblem& problem, const Device& device,
                          const ops::OpTable& ops);
std::unique_ptr<Attention> create_naive(const AttentionProblem& problem, const ops::OpTable& ops);

}  // namespace wde::attention
