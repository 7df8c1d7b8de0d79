// Fields of a config.json as models read them: checked, with errors that name the field.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "base/json.h"
#include "ops/ops.h"

namespace wde::models {

// A positive size, small enough that products of two fit an int64 with room. A missing one is
// `fallback`, and an error without one. Errors: kDataLoss.
Result<int64_t> get_size(const json::object& config, std::string_view key,
                         std::optional<int64_t> fallback = std::nullopt);

// An integer from `least` to `most`. Errors: kDataLoss.
struct IntRange {
  int64_t least, most;
};
Result<int64_t> get_int_in(const json::object& config, std::string_view key, int64_t fallback,
                           const IntRange& range);

// The epsilon of a normalization: above 0 and below 1. Errors: kDataLoss.
Result<float> get_epsilon(const json::object& config, std::string_view key, double fallback);

// Errors: kDataLoss (no string), kUnsupported naming the field and the known activations.
Result<ops::Activation> get_activation(const json::object& config, std::string_view key,
                                       std::string_view fallback);

// hidden size / heads, each by the key it was read from. Errors: kDataLoss when it leaves a rest.
struct NamedSize {
  std::string_view key;
  int64_t size;
};
Result<int64_t> divide_heads(const NamedSize& hidden, const NamedSize& heads);

// What a model implements in one way only: the field must be absent or have this value.
// Errors: kDataLoss (another type), kUnsupported naming field, value and what is supported.
Status expect_string(const json::object& config, std::string_view key, std::string_view value);
Status expect_bool(const json::object& config, std::string_view key, bool value);

// What every encoder here leaves out: is_decoder and pruned heads. Errors: as above.
Status expect_encoder(const json::object& config);

}  // namespace wde::models
