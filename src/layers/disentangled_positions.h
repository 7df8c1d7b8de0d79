// The position keys and queries of DeBERTa's disentangled attention (He et al. 2021,
// arXiv:2006.03654): projections of a table of relative positions, which depend on no text and so
// are computed once, while the model is loaded.
#pragma once

#include <optional>

#include "attention/attention.h"
#include "layers/layer_norm.h"
#include "layers/linear.h"

namespace wde::layers {

// Which row of the table belongs to a distance i - j: its logarithmic bucket, where there are
// buckets, clamped to the table's 2 * span rows.
struct DistanceRows {
  int64_t span = 0;          // rows before the one of distance 0, and from it on
  int64_t buckets = 0;       // near distances one by one up to buckets / 2; 0: all one by one
  int64_t max_distance = 0;  // what the last bucket is for
};
int64_t distance_row(const DistanceRows& rows, int64_t distance);

// A parameter's matrix [H D, C] and bias [H D] on the host; the weight's data is null where the
// attention lacks the term.
struct PositionProjection {
  TensorView weight, bias;
};

class DisentangledPositions {
 public:
  // `table` [2 * span, C] on the host; `norm` is applied to its rows. Distances up to `radius` are
  // told apart. Errors: kResourceExhausted.
  static Result<DisentangledPositions> load(LoadContext& context, const TensorView& table,
                                            const std::optional<LayerNorm>& norm,
                                            const DistanceRows& rows, int64_t radius);

  // A layer's position keys and queries in the context's dtype, computed on its device (blocks).
  // Errors: as Linear::load, and those of the device.
  Result<attention::Disentangled> project(LoadContext& context, const PositionProjection& key,
                                          const PositionProjection& query) const;

 private:
  Result<TensorView> project(LoadContext& context, const PositionProjection& projection) const;

  ParameterStore scratch_;  // of table_: needed only while the model is loaded
  TensorView table_;        // [2 * span, C] in the context's dtype
  TensorView rows_;         // i32 [2 * radius + 1], of the model's store
};

}  // namespace wde::layers
