// Rotary position embedding (Su et al. 2021, arXiv:2104.09864) and the ways in which models stretch
// it beyond the length they were trained on.
#pragma once

#include <memory>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "layers/load_context.h"

namespace wde::layers {

enum class RopeScaling {
  kNone,
  kLinear,  // every angle divided by the factor (Chen et al. 2023, arXiv:2306.15595)
  kNtk,     // a larger base, fixed or mixed (Su 2023, https://kexue.fm/archives/9706): GTE's
  kLlama3,  // long wavelengths divided, short ones kept, a ramp between
  kYarn,    // the same with a ramp over dimensions, and warmer attention (Peng et al. 2023,
            // arXiv:2309.00071)
};

// What decides the angles. Filled from config.json; the meanings are those of transformers'
// modeling_rope_utils.py (5.23).
struct RopeConfig {
  int64_t rotary_size = 0;  // R: the leading dimensions of a head that turn
  double theta = 10000.0;
  RopeScaling scaling = RopeScaling::kNone;
  double factor = 1.0;
  double original_positions = 0;                               // kLlama3, kYarn: trained on so many
  double low_frequency_factor = 1, high_frequency_factor = 4;  // kLlama3
  double beta_fast = 32, beta_slow = 1;  // kYarn: rotations at the ramp's ends
  bool truncate = true;                  // kYarn: the ends are whole dimensions
  double attention_factor = 1.0;         // kYarn: of cosines and sines
  double mixed_b = 0;                    // kNtk: 0 for the fixed form

  bool operator==(const RopeConfig&) const = default;
};

// What the fields of a config.json stand against.
struct RopeDefaults {
  int64_t head_size = 0;      // D
  int64_t max_positions = 0;  // the model's max_position_embeddings
  double theta = 10000.0;
};

// A config's "rope_parameters" (transformers 5) or "rope_scaling" with "rope_theta" and
// "partial_rotary_factor" beside it (transformers 4). "dynamic" scaling changes nothing within
// max_position_embeddings, which is as far as texts go here.
// Errors: kDataLoss (a field that is missing, of a wrong type or out of range), kUnsupported (a
// "rope_type" that is not implemented); each names the field.
Result<RopeConfig> parse_rope(const json::object& config, const RopeDefaults& defaults);
// The object in such a field alone, for models that have several.
Result<RopeConfig> parse_rope_parameters(const json::object& parameters,
                                         const RopeDefaults& defaults);

// [positions, R]: R / 2 cosines, then R / 2 sines. Angles are computed in f32 as the models were
// trained, so that those of far positions are theirs.
std::vector<float> rope_table(const RopeConfig& config, int64_t positions);

// The table on the device, shared by all layers that turn alike. Immutable.
class RotaryEmbedding {
 public:
  // `positions` (or the context's max_length, if less) rows. Errors: kResourceExhausted.
  static Result<std::shared_ptr<const RotaryEmbedding>> load(
      LoadContext& context, const RopeConfig& config, int64_t head_size, int64_t positions,
      ops::RopePairs pairs = ops::RopePairs::kHalves);

  // Turns the heads of x [T, n D], q and k side by side, in place.
  void forward(ops::OpContext& context, const TensorView& positions, const TensorView& x) const;

 private:
  TensorView table_;
  int64_t head_size_ = 0;
  ops::RopePairs pairs_ = ops::RopePairs::kHalves;
};

}  // namespace wde::layers
