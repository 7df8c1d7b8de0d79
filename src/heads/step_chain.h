// sentence-transformers' modules behind the hidden states, in any order: Dense, LayerNorm and
// Normalize, on rows of f32: pooled vectors (embedding_head.h), or those of every token
// (token_vector_head.h).
#pragma once

#include <optional>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "checkpoint/weight_source.h"
#include "layers/layer_norm.h"
#include "layers/linear.h"
#include "layers/load_context.h"
#include "ops/ops.h"

namespace wde::heads {

// torch.nn.Linear and an activation, weights "<name>.weight" and "<name>.bias" of the source (of
// one without a name "weight" and "bias"); with a residual, plus the input, by "residual.weight"
// where the sizes differ.
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

// Of a row that comes with `columns`, after the steps.
int64_t columns_after(std::span<const Step> steps, int64_t columns);

class StepChain {
 public:
  // `columns` of the rows that come in. Errors: kDataLoss (a module whose size is not that of what
  // comes before it; wrong weights), kNotFound, kResourceExhausted.
  static Result<StepChain> load(layers::LoadContext& context, std::span<const Step> steps,
                                int64_t columns);

  bool empty() const { return steps_.empty(); }
  // x f32 [R, columns that come in] -> out f32 [R, columns that go out], contiguous; not of an
  // empty chain. Workspace from the context's arena.
  void forward(ops::OpContext& context, const TensorView& x, const TensorView& out) const;

 private:
  struct LoadedDense {
    layers::Linear linear;
    bool residual = false;
    std::optional<layers::Linear> residual_linear;  // empty: the input itself
  };
  using LoadedStep = std::variant<LoadedDense, layers::LayerNorm, NormalizeStep>;

  static Result<LoadedDense> load_dense(layers::LoadContext& context, const DenseStep& step);
  static Result<LoadedStep> load_step(layers::LoadContext& context, const Step& step,
                                      int64_t columns);
  static void run_dense(ops::OpContext& context, const LoadedDense& dense, const TensorView& x,
                        const TensorView& out);

  std::vector<LoadedStep> steps_;
  size_t in_place_ = 0;  // the last Dense: what follows it keeps the row's size
};

}  // namespace wde::heads
