// kClassifyTokens: the logits of tokens to labelled spans of the text, as transformers'
// TokenClassificationPipeline makes them, but that a span's text is cut from the input. Tokens that
// no text stands behind are left out; so are spans of the label "O".
#pragma once

#include <string>
#include <vector>

#include "pipeline/answer.h"

namespace wde::pipeline {

class SpanAnswers final : public AnswerMaker {
 public:
  explicit SpanAnswers(std::vector<std::string> labels) : labels_(std::move(labels)) {}
  void make(const schema::SchedulableRequest& request, std::span<const RequestRows> parts,
            Response* response) const override;

 private:
  std::vector<std::string> labels_;
};

}  // namespace wde::pipeline
