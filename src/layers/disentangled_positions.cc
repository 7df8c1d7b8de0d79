#include "layers/disentangled_positions.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "base/status.h"

namespace wde::layers {
namespace {

// Runs compute(OpContext&) on the device and waits for it: first dry, to learn its workspace.
template <class Compute>
Status compute_now(LoadContext& load, const Compute& compute) {
  const std::unique_ptr<Stream> stream = load.device->create_stream();
  Arena nowhere = Arena::measuring();
  ops::OpContext dry{.stream = *stream, .ops = load.ops, .arena = nowhere, .measuring = true};
  compute(dry);
  const size_t workspace_bytes = std::max<size_t>(nowhere.high_water_bytes(), 64);
  WDE_ASSIGN_OR_RETURN(const Storage workspace, load.device->allocate(workspace_bytes));
  Arena arena(workspace.data(), workspace_bytes);
  ops::OpContext context{.stream = *stream, .ops = load.ops, .arena = arena};
  compute(context);
  return stream->synchronize();
}

// In f32, as transformers' make_log_bucket_position computes it.
int64_t log_bucket(const DistanceRows& rows, int64_t distance) {
  const int64_t mid = rows.buckets / 2;
  const int64_t size = distance > -mid && distance < mid ? mid - 1 : std::abs(distance);
  if (size <= mid) return distance;
  const float last =
      static_cast<float>(static_cast<double>(rows.max_distance - 1) / static_cast<double>(mid));
  const float part = std::log(static_cast<float>(size) / static_cast<float>(mid)) / std::log(last);
  const int64_t bucket = static_cast<int64_t>(std::ceil(part * static_cast<float>(mid - 1))) + mid;
  return distance < 0 ? -bucket : bucket;
}

}  // namespace

int64_t distance_row(const DistanceRows& rows, int64_t distance) {
  const int64_t position = rows.buckets > 0 ? log_bucket(rows, distance) : distance;
  return std::clamp<int64_t>(position + rows.span, 0, 2 * rows.span - 1);
}

Result<DisentangledPositions> DisentangledPositions::load(LoadContext& context,
                                                          const TensorView& table,
                                                          const std::optional<LayerNorm>& norm,
                                                          const DistanceRows& rows,
                                                          int64_t radius) {
  DisentangledPositions positions;
  std::vector<int32_t> by_distance;
  for (int64_t distance = -radius; distance <= radius; ++distance)
    by_distance.push_back(static_cast<int32_t>(distance_row(rows, distance)));
  WDE_ASSIGN_OR_RETURN(
      positions.rows_,
      load_i32(context, TensorView::contiguous(by_distance.data(), DType::kI32, {2 * radius + 1})));
  const size_t weight_bytes = context.weight_bytes;
  ParameterStore* const store = std::exchange(context.store, &positions.scratch_);
  const Result<TensorView> source = load_f32(context, table);
  const Result<TensorView> converted = allocate_parameter(context, context.dtype, table.shape);
  context.store = store;
  context.weight_bytes = weight_bytes;
  WDE_RETURN_IF_ERROR(source.status());
  WDE_RETURN_IF_ERROR(converted.status());
  positions.table_ = *converted;
  if (context.planning) return positions;
  WDE_RETURN_IF_ERROR(compute_now(context, [&](ops::OpContext& now) {
    ops::convert(now, {.x = *source, .out = positions.table_});
    if (norm) norm->forward(now, positions.table_, positions.table_);
  }));
  return positions;
}

Result<TensorView> DisentangledPositions::project(LoadContext& context,
                                                  const PositionProjection& projection) const {
  WDE_ASSIGN_OR_RETURN(
      const TensorView out,
      allocate_parameter(context, context.dtype, {table_.rows(), projection.weight.shape[0]}));
  if (context.planning) return out;
  const size_t weight_bytes = context.weight_bytes;  // the matrix is not kept
  WDE_ASSIGN_OR_RETURN(const Linear linear,
                       Linear::load(context, projection.weight, projection.bias));
  context.weight_bytes = weight_bytes;
  WDE_RETURN_IF_ERROR(
      compute_now(context, [&](ops::OpContext& now) { linear.forward(now, table_, out); }));
  return out;
}

Result<attention::Disentangled> DisentangledPositions::project(
    LoadContext& context, const PositionProjection& key, const PositionProjection& query) const {
  attention::Disentangled terms{
      .position_keys = {}, .position_queries = {}, .position_rows = rows_};
  if (key.weight.data != nullptr) {
    WDE_ASSIGN_OR_RETURN(terms.position_keys, project(context, key));
  }
  if (query.weight.data != nullptr) {
    WDE_ASSIGN_OR_RETURN(terms.position_queries, project(context, query));
  }
  return terms;
}

}  // namespace wde::layers
