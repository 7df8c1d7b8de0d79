#include "models/config_fields.h"

#include "base/status.h"

namespace wde::models {
namespace {

constexpr int64_t kLargestSize = int64_t{1} << 28;

}  // namespace

Result<int64_t> get_size(const json::object& config, std::string_view key,
                         std::optional<int64_t> fallback) {
  if (!config.contains(key) && !fallback) return data_loss_error("\"{}\" is missing", key);
  WDE_ASSIGN_OR_RETURN(const int64_t size, json::get_int(config, key, fallback.value_or(0)));
  if (size < 1 || size > kLargestSize)
    return data_loss_error("\"{}\" must be a positive integer at most 2^28, not {}", key, size);
  return size;
}

Result<int64_t> get_int_in(const json::object& config, std::string_view key, int64_t fallback,
                           const IntRange& range) {
  WDE_ASSIGN_OR_RETURN(const int64_t value, json::get_int(config, key, fallback));
  if (value < range.least || value > range.most) {
    return data_loss_error("\"{}\" must be from {} to {}, not {}", key, range.least, range.most,
                           value);
  }
  return value;
}

Result<float> get_epsilon(const json::object& config, std::string_view key, double fallback) {
  WDE_ASSIGN_OR_RETURN(const double epsilon, json::get_double(config, key, fallback));
  if (!(epsilon > 0 && epsilon < 1))
    return data_loss_error("\"{}\" must be above 0 and below 1, not {}", key, epsilon);
  return static_cast<float>(epsilon);
}

Result<ops::Activation> get_activation(const json::object& config, std::string_view key,
                                       std::string_view fallback) {
  WDE_ASSIGN_OR_RETURN(const std::string name, json::get_string(config, key, fallback));
  Result<ops::Activation> activation = ops::parse_activation(name);
  if (!activation.ok()) return activation.status().with_context(key);
  return activation;
}

Result<int64_t> divide_heads(const NamedSize& hidden, const NamedSize& heads) {
  if (hidden.size % heads.size != 0) {
    return data_loss_error("{} {} is not a multiple of {} {}", hidden.key, hidden.size, heads.key,
                           heads.size);
  }
  return hidden.size / heads.size;
}

Status expect_string(const json::object& config, std::string_view key, std::string_view value) {
  WDE_ASSIGN_OR_RETURN(const std::string found, json::get_string(config, key, value));
  if (found == value) return {};
  return unsupported_error("{} \"{}\" is not supported; \"{}\" is", key, found, value);
}

Status expect_bool(const json::object& config, std::string_view key, bool value) {
  WDE_ASSIGN_OR_RETURN(const bool found, json::get_bool(config, key, value));
  if (found == value) return {};
  return unsupported_error("{} {} is not supported; {} is", key, found, value);
}

Status expect_encoder(const json::object& config) {
  WDE_ASSIGN_OR_RETURN(const bool decoder, json::get_bool(config, "is_decoder", false));
  if (decoder) return unsupported_error("is_decoder is set; it is loaded as an encoder only");
  WDE_ASSIGN_OR_RETURN(const json::object* pruned, json::get_object(config, "pruned_heads"));
  if (pruned != nullptr && !pruned->empty())
    return unsupported_error("pruned_heads are not supported");
  return {};
}

}  // namespace wde::models
