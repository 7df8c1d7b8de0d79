// Answers that are scores made of logits: rerank and classify.
#pragma once

#include <string>
#include <vector>

#include "pipeline/answer.h"
#include "pipeline/limits.h"

namespace wde::pipeline {

// The scores of a row of logits.
std::vector<float> scores(std::span<const float> logits, ScoreFunction function);

// kRerank: the one score of a pair.
class RerankAnswers final : public AnswerMaker {
 public:
  explicit RerankAnswers(ScoreFunction function) : function_(function) {}
  void make(const schema::SchedulableRequest& request, std::span<const RequestRows> parts,
            Response* response) const override;

 private:
  ScoreFunction function_;
};

// kRerank by a language model: the logit of one token, or the difference of two, first capped where
// the model caps its logits.
class TokenScoreAnswers final : public AnswerMaker {
 public:
  TokenScoreAnswers(ScoreFunction function, float logit_cap)
      : function_(function), logit_cap_(logit_cap) {}
  void make(const schema::SchedulableRequest& request, std::span<const RequestRows> parts,
            Response* response) const override;

 private:
  ScoreFunction function_;
  float logit_cap_;  // 0: none
};

// kClassify: every label with its score.
class ClassifyAnswers final : public AnswerMaker {
 public:
  ClassifyAnswers(std::vector<std::string> labels, ScoreFunction function)
      : labels_(std::move(labels)), function_(function) {}
  void make(const schema::SchedulableRequest& request, std::span<const RequestRows> parts,
            Response* response) const override;

 private:
  std::vector<std::string> labels_;
  ScoreFunction function_;
};

}  // namespace wde::pipeline
