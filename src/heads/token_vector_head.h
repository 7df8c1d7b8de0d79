// A vector for every token: linear layers over its last hidden state, then its L2 norm where asked
// for. ColBERT's projection (Khattab & Zaharia 2020, arXiv:2004.12832), bge-m3's, and bge-m3's
// token weights, which are vectors of one number. In f32.
#pragma once

#include <memory>
#include <vector>

#include "checkpoint/weight_source.h"
#include "heads/head.h"
#include "layers/linear.h"

namespace wde::heads {

// torch.nn.Linear [out_features, what comes before] and an activation.
struct TokenLinear {
  const checkpoint::WeightSource* weights = nullptr;  // read only while loading
  std::string weight;                                 // the tensors' names
  std::string bias;                                   // empty for none
  int64_t out_features = 0;
  ops::Activation activation = ops::Activation::kNone;
};

struct TokenVectorSpec {
  std::vector<TokenLinear> layers;
  bool normalize = false;
};

class TokenVectorHead final : public Head {
 public:
  // Errors: kNotFound, kDataLoss (shapes), and those of layers::Linear::load.
  static Result<std::unique_ptr<Head>> load(layers::LoadContext& context,
                                            const TokenVectorSpec& spec, int64_t hidden_size);

  Rows rows() const override { return Rows::kPerToken; }
  int64_t columns() const override { return columns_; }
  void forward(ops::OpContext& context, const TensorView& hidden, const layers::TokenBatch& batch,
               const TensorView& out) const override;

 private:
  std::vector<layers::Linear> layers_;
  bool normalize_ = false;
  int64_t columns_ = 0;
};

}  // namespace wde::heads
