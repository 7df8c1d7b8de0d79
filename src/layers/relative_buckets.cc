#include "layers/relative_buckets.h"

#include <algorithm>
#include <cmath>

#include "base/status.h"
#include "tensor/computed_rows.h"

namespace wde::layers {

// In f32, as models were trained: a distance at the edge of two buckets falls where it fell there.
int64_t relative_bucket(const RelativeBuckets& buckets, int64_t distance) {
  const int64_t half = buckets.buckets / 2;
  const int64_t exact = half / 2;
  const int64_t first = distance < 0 ? half : 0;  // keys after the query
  const int64_t size = std::abs(distance);
  if (size < exact) return first + size;
  const float ratio = std::log(static_cast<float>(size) / static_cast<float>(exact)) /
                      static_cast<float>(std::log(static_cast<double>(buckets.max_distance) /
                                                  static_cast<double>(exact)));
  const auto beyond = static_cast<int64_t>(ratio * static_cast<float>(half - exact));
  return first + std::min(exact + beyond, half - 1);
}

Result<TensorView> load_distance_bias(LoadContext& context, const RelativeBuckets& buckets,
                                      const TensorView& table) {
  const int64_t heads = table.shape[1];
  const int64_t radius = buckets.max_distance;
  const Shape shape{heads, 2 * radius + 1};
  if (context.planning)
    return load_f32(context, TensorView::contiguous(nullptr, DType::kF32, shape));
  std::vector<float> learned(static_cast<size_t>(table.shape.elements()));
  read_f32(table, learned.data());
  std::vector<float> bias;
  bias.reserve(static_cast<size_t>(shape.elements()));
  for (int64_t head = 0; head < heads; ++head) {
    for (int64_t distance = -radius; distance <= radius; ++distance) {
      const int64_t row = relative_bucket(buckets, distance);
      bias.push_back(learned[static_cast<size_t>(row * heads + head)]);
    }
  }
  return load_f32(context, TensorView::contiguous(bias.data(), DType::kF32, shape));
}

}  // namespace wde::layers
