// sentence-transformers' chain after the transformer: pooling (one mode, or several side by side),
// then any of Dense and Normalize. The last Normalize is not here: whether an answer is normalized
// is the request's to say, so the output processor does it.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "checkpoint/weight_source.h"
#include "heads/head.h"
#include "layers/linear.h"
#include "layers/load_context.h"
#include "ops/ops.h"

namespace wde::heads {

// torch.nn.Linear and an activation on pooled vectors; weights "<name>.weight" and "<name>.bias" of
// the source.
struct DenseStep {
  int64_t in_features = 0;
  int64_t out_features = 0;
  bool bias = true;
  ops::Activation activation = ops::Activation::kNone;
  const checkpoint::WeightSource* weights = nullptr;  // read only while loading
  std::string name = "linear";
};
struct NormalizeStep {};
using Step = std::variant<DenseStep, NormalizeStep>;

struct EmbeddingHeadSpec {
  std::vector<ops::Pooling> poolings;  // at least one
  int32_t marker = 0;                  // of Pooling::kMarked
  std::vector<Step> steps;

  // Of the head's rows.
  int64_t columns(int64_t hidden_size) const;
};

class EmbeddingHead final : public Head {
 public:
  // Errors: kDataLoss (a Dense whose in_features is not what comes before it; wrong weights),
  // kNotFound, kResourceExhausted.
  static Result<std::unique_ptr<Head>> load(layers::LoadContext& context,
                                            const EmbeddingHeadSpec& spec, int64_t hidden_size);

  Rows rows() const override { return Rows::kPerSequence; }
  int64_t columns() const override { return columns_; }
  void forward(ops::OpContext& context, const TensorView& hidden, const layers::TokenBatch& batch,
               const TensorView& out) const override;

 private:
  // A Dense, or (empty) an L2 normalization.
  using LoadedStep = std::optional<layers::Linear>;

  std::vector<ops::Pooling> poolings_;
  int32_t marker_ = 0;
  std::vector<LoadedStep> steps_;
  int64_t columns_ = 0;
};

}  // namespace wde::heads
