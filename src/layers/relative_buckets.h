// T5's relative position buckets (Raffel et al. 2020, arXiv:1910.10683, section 2.1), which MPNet
// took over: a learned bias a head for near distances one by one, for far ones by their logarithm.
#pragma once

#include <cstdint>

#include "layers/load_context.h"

namespace wde::layers {

struct RelativeBuckets {
  int64_t buckets = 32;        // even, at least 4: half of them for keys behind the query
  int64_t max_distance = 128;  // from here on all share the last one; above buckets / 4
};

// The bucket of a key at distance i - j behind (or, negative, before) its query at i.
int64_t relative_bucket(const RelativeBuckets& buckets, int64_t distance);

// AttentionProblem's distance_bias, f32 [H, 2R + 1] on the device, of a learned table
// [buckets, H] on the host. Errors: kResourceExhausted.
Result<TensorView> load_distance_bias(LoadContext& context, const RelativeBuckets& buckets,
                                      const TensorView& table);

}  // namespace wde::layers
