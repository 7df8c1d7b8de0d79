#include "layers/rotary_embedding.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <string>

#include "base/status.h"

namespace wde::layers {
namespace {

Result<double> get_positive(const json::object& from, std::string_view key, double fallback) {
  WDE_ASSIGN_OR_RETURN(const double value, json::get_double(from, key, fallback));
  if (!(value > 0 && value < 1e12)) {
    return data_loss_error("\"{}\" of the rotary embedding must be positive, not {}", key, value);
  }
  return value;
}

Result<double> require_positive(const json::object& from, std::string_view key) {
  if (!from.contains(key)) return data_loss_error("\"{}\" of the rotary embedding is missing", key);
  return get_positive(from, key, 0);
}

Result<std::string> rope_type(const json::object& parameters) {
  WDE_ASSIGN_OR_RETURN(const std::string old, json::get_string(parameters, "type", "default"));
  return json::get_string(parameters, "rope_type", old);
}

// 1 where the context is not stretched (Peng et al. 2023, eq. 22).
double yarn_magnitude(double factor, double weight) {
  return factor <= 1 ? 1.0 : 0.1 * weight * std::log(factor) + 1.0;
}

Status parse_yarn(const json::object& parameters, RopeConfig* config) {
  WDE_ASSIGN_OR_RETURN(config->beta_fast, get_positive(parameters, "beta_fast", 32));
  WDE_ASSIGN_OR_RETURN(config->beta_slow, get_positive(parameters, "beta_slow", 1));
  WDE_ASSIGN_OR_RETURN(config->truncate, json::get_bool(parameters, "truncate", true));
  WDE_ASSIGN_OR_RETURN(const double mscale, json::get_double(parameters, "mscale", 0));
  WDE_ASSIGN_OR_RETURN(const double mscale_all, json::get_double(parameters, "mscale_all_dim", 0));
  const double inferred =
      mscale != 0 && mscale_all != 0
          ? yarn_magnitude(config->factor, mscale) / yarn_magnitude(config->factor, mscale_all)
          : yarn_magnitude(config->factor, 1);
  WDE_ASSIGN_OR_RETURN(config->attention_factor,
                       get_positive(parameters, "attention_factor", inferred));
  return {};
}

Status parse_scaling(const json::object& parameters, const RopeDefaults& defaults,
                     RopeConfig* config) {
  WDE_ASSIGN_OR_RETURN(const std::string type, rope_type(parameters));
  if (type == "default" || type == "dynamic") return {};
  if (type != "linear" && type != "ntk" && type != "llama3" && type != "yarn") {
    return unsupported_error(
        "rope_type \"{}\" is not supported; default, linear, dynamic, ntk, llama3 and yarn are",
        type);
  }
  WDE_ASSIGN_OR_RETURN(config->factor, require_positive(parameters, "factor"));
  WDE_ASSIGN_OR_RETURN(
      config->original_positions,
      get_positive(parameters, "original_max_position_embeddings",
                   static_cast<double>(std::max<int64_t>(1, defaults.max_positions))));
  if (type == "linear") config->scaling = RopeScaling::kLinear;
  if (type == "ntk") {
    config->scaling = RopeScaling::kNtk;
    WDE_ASSIGN_OR_RETURN(config->mixed_b, json::get_double(parameters, "mixed_b", 0));
  }
  if (type == "llama3") {
    config->scaling = RopeScaling::kLlama3;
    WDE_ASSIGN_OR_RETURN(config->low_frequency_factor,
                         require_positive(parameters, "low_freq_factor"));
    WDE_ASSIGN_OR_RETURN(config->high_frequency_factor,
                         require_positive(parameters, "high_freq_factor"));
  }
  if (type == "yarn") {
    config->scaling = RopeScaling::kYarn;
    return parse_yarn(parameters, config);
  }
  return {};
}

// ------------------------------------------------------------------ angles

// theta^-(2 i / R), each step in f32.
std::vector<float> plain_frequencies(double theta, int64_t rotary_size) {
  std::vector<float> frequencies(static_cast<size_t>(rotary_size / 2));
  for (size_t i = 0; i < frequencies.size(); ++i) {
    const float exponent = static_cast<float>(2 * i) / static_cast<float>(rotary_size);
    frequencies[i] = 1.0f / static_cast<float>(std::pow(theta, static_cast<double>(exponent)));
  }
  return frequencies;
}

void scale_ntk(const RopeConfig& config, std::vector<float>* frequencies) {
  if (config.factor <= 1) return;
  const auto size = static_cast<double>(config.rotary_size);
  if (config.mixed_b == 0) {
    *frequencies = plain_frequencies(config.theta * config.factor, config.rotary_size);
    const auto divisor = static_cast<float>(std::pow(config.factor, 2 / size));
    for (float& frequency : *frequencies) frequency /= divisor;
    return;
  }
  const double a = std::log(config.factor) / std::pow(size / 2, config.mixed_b);
  for (size_t i = 0; i < frequencies->size(); ++i) {
    const double lambda = std::exp(a * std::pow(static_cast<double>(i + 1), config.mixed_b));
    (*frequencies)[i] /= static_cast<float>(lambda);
  }
}

void scale_llama3(const RopeConfig& config, std::vector<float>* frequencies) {
  const double low = config.low_frequency_factor, high = config.high_frequency_factor;
  for (float& frequency : *frequencies) {
    const double rotations = config.original_positions * frequency / (2 * std::numbers::pi);
    if (rotations > high) continue;
    const double kept = rotations < low ? 0.0 : (rotations - low) / (high - low);
    frequency = static_cast<float>((1 - kept) * frequency / config.factor + kept * frequency);
  }
}

// The dimension that turns so often over the original context.
double yarn_dimension(const RopeConfig& config, double rotations) {
  return static_cast<double>(config.rotary_size) *
         std::log(config.original_positions / (rotations * 2 * std::numbers::pi)) /
         (2 * std::log(config.theta));
}

void scale_yarn(const RopeConfig& config, std::vector<float>* frequencies) {
  double low = yarn_dimension(config, config.beta_fast);
  double high = yarn_dimension(config, config.beta_slow);
  if (config.truncate) {
    low = std::floor(low);
    high = std::ceil(high);
  }
  low = std::max(low, 0.0);
  high = std::min(high, static_cast<double>(config.rotary_size - 1));
  if (low == high) high += 0.001;
  for (size_t i = 0; i < frequencies->size(); ++i) {
    const double ramp = std::clamp((static_cast<double>(i) - low) / (high - low), 0.0, 1.0);
    const double frequency = (*frequencies)[i];
    (*frequencies)[i] =
        static_cast<float>(frequency / config.factor * ramp + frequency * (1 - ramp));
  }
}

std::vector<float> frequencies(const RopeConfig& config) {
  std::vector<float> result = plain_frequencies(config.theta, config.rotary_size);
  switch (config.scaling) {
    case RopeScaling::kNone:
      break;
    case RopeScaling::kLinear:
      for (float& frequency : result) frequency /= static_cast<float>(config.factor);
      break;
    case RopeScaling::kNtk:
      scale_ntk(config, &result);
      break;
    case RopeScaling::kLlama3:
      scale_llama3(config, &result);
      break;
    case RopeScaling::kYarn:
      scale_yarn(config, &result);
      break;
  }
  return result;
}

}  // namespace

Result<RopeConfig> parse_rope_parameters(const json::object& parameters,
                                         const RopeDefaults& defaults) {
  if (parameters.contains("mrope_section")) {
    return unsupported_error("mrope_section is not supported: texts have one axis of positions");
  }
  RopeConfig config;
  WDE_ASSIGN_OR_RETURN(config.theta, get_positive(parameters, "rope_theta", defaults.theta));
  WDE_ASSIGN_OR_RETURN(const double part, get_positive(parameters, "partial_rotary_factor", 1.0));
  config.rotary_size = static_cast<int64_t>(static_cast<double>(defaults.head_size) * part);
  if (part > 1 || config.rotary_size < 2 || config.rotary_size % 2 != 0) {
    return data_loss_error(
        "partial_rotary_factor {} of the head size {} must leave an even number of dimensions",
        part, defaults.head_size);
  }
  WDE_RETURN_IF_ERROR(parse_scaling(parameters, defaults, &config));
  return config;
}

Result<RopeConfig> parse_rope(const json::object& config, const RopeDefaults& defaults) {
  WDE_ASSIGN_OR_RETURN(const json::object* scaling, json::get_object(config, "rope_scaling"));
  WDE_ASSIGN_OR_RETURN(const json::object* whole, json::get_object(config, "rope_parameters"));
  const bool scaled = scaling != nullptr && !scaling->empty();
  json::object parameters;
  if (scaled)
    parameters = *scaling;
  else if (whole != nullptr)
    parameters = *whole;
  // What stands beside the object holds where it says nothing itself.
  for (const std::string_view key :
       {"rope_theta", "partial_rotary_factor", "original_max_position_embeddings"}) {
    if (!parameters.contains(key) && config.contains(key)) parameters[key] = config.at(key);
  }
  Result<RopeConfig> rope = parse_rope_parameters(parameters, defaults);
  if (!rope.ok()) return rope.status().with_context(scaled ? "rope_scaling" : "rope_parameters");
  return rope;
}

std::vector<float> rope_table(const RopeConfig& config, int64_t positions) {
  const std::vector<float> per_token = frequencies(config);
  const size_t half = per_token.size();
  std::vector<float> table(static_cast<size_t>(positions) * 2 * half);
  for (size_t p = 0; p < static_cast<size_t>(positions); ++p) {
    for (size_t i = 0; i < half; ++i) {
      const double angle = static_cast<float>(p) * per_token[i];
      float* row = table.data() + p * 2 * half;
      row[i] = static_cast<float>(std::cos(angle) * config.attention_factor);
      row[half + i] = static_cast<float>(std::sin(angle) * config.attention_factor);
    }
  }
  return table;
}

Result<std::shared_ptr<const RotaryEmbedding>> RotaryEmbedding::load(LoadContext& context,
                                                                     const RopeConfig& config,
                                                                     int64_t head_size,
                                                                     int64_t positions,
                                                                     ops::RopePairs pairs) {
  if (context.max_length > 0) positions = std::min(positions, context.max_length);
  auto rotary = std::make_shared<RotaryEmbedding>();
  rotary->head_size_ = head_size;
  rotary->pairs_ = pairs;
  std::vector<float> table;
  if (!context.planning) table = rope_table(config, positions);
  WDE_ASSIGN_OR_RETURN(rotary->table_,
                       load_f32(context, TensorView::contiguous(table.data(), DType::kF32,
                                                                {positions, config.rotary_size})));
  return std::shared_ptr<const RotaryEmbedding>(std::move(rotary));
}

void RotaryEmbedding::forward(ops::OpContext& context, const TensorView& positions,
                              const TensorView& x) const {
  ops::rope(
      context,
      {.x = x, .positions = positions, .table = table_, .head_size = head_size_, .pairs = pairs_});
}

}  // namespace wde::layers
