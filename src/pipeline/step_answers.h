// kClassifyTokens of a process reward model (Lightman et al. 2023, arXiv:2305.20050): a solution's
// steps, each a span up to the token that ends it, with the probability of the last label there.
#pragma once

#include <string>
#include <vector>

#include "pipeline/answer.h"

namespace wde::pipeline {

class StepAnswers final : public AnswerMaker {
 public:
  StepAnswers(std::vector<std::string> labels, int32_t step_token)
      : labels_(std::move(labels)), step_token_(step_token) {}
  void make(const schema::SchedulableRequest& request, std::span<const RequestRows> parts,
            Response* response) const override;

 private:
  std::vector<std::string> labels_;
  int32_t step_token_;
};

}  // namespace wde::pipeline
