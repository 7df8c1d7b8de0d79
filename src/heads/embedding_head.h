// sentence-transformers' chain after the transformer: pooling (one mode, or several side by side),
// then any of Dense, LayerNorm and
// Normalize. The last Normalize is not here: whether an answer is normalized
// is the request's to say, so the output processor does it.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "checkpoint/weight_source.h"
#include "heads/head.h"
#include "layers/layer_norm.h"
#include "layers/linear.h"
#include "layers/load_context.h"
#include "ops/ops.h"

namespace wde::heads {

// torch.nn.Linear and an activation on pooled vectors, weights "<name>.weight" and "<name>.bias" of
// the source; with a residual, plus the input, by "residual.weight" where the sizes differ.
struct DenseStep {
  int64_t in_features = 0;
  int64_t out_features = 0;
  bool bias = true;
  bool residual = false;
  ops::Activation activation = ops::Activation::kNone;
  const checkpoint::WeightSource* weights = nullptr;  // read only while loading
  std::string name = "linear";
};
// torch.nn.LayerNorm with "norm.weight" and "norm.bias" of the source.
struct LayerNormStep {
  int64_t dimension = 0;
  const checkpoint::WeightSource* weights = nullptr;  // read only while loading
};
struct NormalizeStep {};
using Step = std::variant<DenseStep, LayerNormStep, NormalizeStep>;

struct EmbeddingHeadSpec {
  std::vector<ops::Pooling> poolings;  // at least one
  int32_t marker = 0;                  // of Pooling::kMarked
  std::vector<Step> steps;

  // Of the head's rows.
  int64_t columns(int64_t hidden_size) const;
};

class EmbeddingHead final : public Head {
 public:
  // Errors: kDataLoss (a module whose size is not that of what comes before it; wrong weights),
  // kNotFound, kResourceExhausted.
  static Result<std::unique_ptr<Head>> load(layers::LoadContext& context,
                                            const EmbeddingHeadSpec& spec, int64_t hidden_size);

  Rows rows() const override { return Rows::kPerSequence; }
  int64_t columns() const override { return columns_; }
  bool reads_last_token_only() const override;
  void forward(ops::OpContext& context, const TensorView& hidden, const layers::TokenBatch& batch,
               const TensorView& out) const override;

 private:
  struct LoadedDense {
    layers::Linear linear;
    bool residual = false;
    std::optional<layers::Linear> residual_linear;  // empty: the input itself
  };
  using LoadedStep = std::variant<LoadedDense, layers::LayerNorm, NormalizeStep>;

  static Result<LoadedDense> load_dense(layers::LoadContext& context, const DenseStep& step);
  Result<LoadedStep> load_step(layers::LoadContext& context, const Step& step);
  static void run_dense(ops::OpContext& context, const LoadedDense& dense, const TensorView& rows,
                        const TensorView& next);

  std::vector<ops::Pooling> poolings_;
  int32_t marker_ = 0;
  std::vector<LoadedStep> steps_;
  int64_t columns_ = 0;
};

}  // namespace wde::heads
