#include "models/decoder_mask.h"

namespace wde::models {
namespace {

using attention::MaskKind;

constexpr std::string_view kCausal = "is_causal";
constexpr std::string_view kBidirectional = "use_bidirectional_attention";

// There, and not null.
bool says(const json::object& config, std::string_view key) {
  const json::value* value = config.if_contains(key);
  return value != nullptr && !value->is_null();
}

MaskKind kind(bool causal) { return causal ? MaskKind::kCausal : MaskKind::kBidirectional; }

}  // namespace

std::string_view mask_field(const json::object& config) {
  if (says(config, kCausal)) return kCausal;
  if (says(config, kBidirectional)) return kBidirectional;
  return {};
}

Result<MaskKind> read_mask(const json::object& config, MaskKind otherwise) {
  const std::string_view field = mask_field(config);
  if (field.empty()) return otherwise;
  WDE_ASSIGN_OR_RETURN(const bool value, json::get_bool(config, field, false));
  return kind(field == kCausal ? value : !value);
}

void set_mask(MaskKind mask, json::object* config) {
  config->erase(kBidirectional);
  (*config)[kCausal] = mask == MaskKind::kCausal;
}

}  // namespace wde::models
