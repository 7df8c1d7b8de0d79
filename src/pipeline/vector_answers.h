// Answers that are vectors: embed, hidden, multi-vector, sparse, and bge-m3's three at once.
#pragma once

#include <vector>

#include "pipeline/answer.h"

namespace wde::pipeline {

// kEmbed: cut to the dimensions asked for, then L2-normalized in f32 where asked for.
class EmbeddingAnswers final : public AnswerMaker {
 public:
  void make(const schema::SchedulableRequest& request, std::span<const RequestRows> parts,
            Response* response) const override;
};

// kHidden, kMultiVector: the rows of the tokens that the request keeps.
class TokenAnswers final : public AnswerMaker {
 public:
  void make(const schema::SchedulableRequest& request, std::span<const RequestRows> parts,
            Response* response) const override;
};

// kSparse of a masked language model: a row of V numbers, the largest logit of each vocabulary
// entry over the text's tokens, becomes log(1 + relu(x)), which grows with x: it may as well come
// after the maximum (Formal et al. 2021, arXiv:2109.10086). `repeats` times: sentence-transformers'
// SpladePooling may take the logarithm twice ("log1p_relu").
class VocabularyAnswers final : public AnswerMaker {
 public:
  explicit VocabularyAnswers(int repeats) : repeats_(repeats) {}
  void make(const schema::SchedulableRequest& request, std::span<const RequestRows> parts,
            Response* response) const override;

 private:
  int repeats_;
};

// kSparse of bge-m3: a weight for each token; an entry's value is the largest weight of its tokens
// (Chen et al. 2024, arXiv:2402.03216). Tokens of `dropped_ids` and weights of 0 are left out.
class TokenWeightAnswers final : public AnswerMaker {
 public:
  explicit TokenWeightAnswers(std::vector<int32_t> dropped_ids);
  void make(const schema::SchedulableRequest& request, std::span<const RequestRows> parts,
            Response* response) const override;

 private:
  std::vector<int32_t> dropped_ids_;  // sorted
};

// kHybrid: the parts are those of kEmbed, kSparse and kMultiVector, in this order.
class HybridAnswers final : public AnswerMaker {
 public:
  explicit HybridAnswers(std::vector<int32_t> dropped_ids) : sparse_(std::move(dropped_ids)) {}
  void make(const schema::SchedulableRequest& request, std::span<const RequestRows> parts,
            Response* response) const override;

 private:
  EmbeddingAnswers dense_;
  TokenWeightAnswers sparse_;
};

}  // namespace wde::pipeline
