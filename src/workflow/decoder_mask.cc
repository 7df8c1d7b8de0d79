#include "workflow/decoder_mask.h"

#include "base/log.h"
#include "base/status.h"
#include "models/decoder_mask.h"
#include "workflow/architecture.h"

namespace wde::workflow {
namespace {

using attention::MaskKind;

constexpr std::string_view kFlag = "--enable-bidirectional";

}  // namespace

bool is_decoder(const checkpoint::ModelFolder& folder) {
  const Result<Architecture> found = find_architecture(folder);
  return found.ok() && found->backbone->decoder_mask.has_value();
}

Result<std::optional<MaskKind>> find_decoder_mask(const checkpoint::ModelFolder& folder) {
  const Result<Architecture> found = find_architecture(folder);
  if (!found.ok() || !found->backbone->decoder_mask) return std::optional<MaskKind>();
  Result<MaskKind> mask = models::read_mask(folder.config, *found->backbone->decoder_mask);
  if (!mask.ok()) return mask.status().with_context(folder.transformer_path + "/config.json");
  return std::optional<MaskKind>(*mask);
}

Status apply_enable_bidirectional(const EngineOptions& options, checkpoint::ModelFolder* folder) {
  if (!options.enable_bidirectional) return {};
  const Result<Architecture> found = find_architecture(*folder);
  if (!found.ok()) return {};  // which the choice of the workflow says
  WDE_ASSIGN_OR_RETURN(const std::optional<MaskKind> mask, find_decoder_mask(*folder));
  if (!mask) {
    return invalid_argument_error("{}: the architecture {} is no decoder, its mask can't be chosen",
                                  kFlag, found->backbone->architecture);
  }
  const MaskKind wanted =
      *options.enable_bidirectional ? MaskKind::kBidirectional : MaskKind::kCausal;
  if (wanted == *mask) return {};
  const std::string_view field = models::mask_field(folder->config);
  log::info("attention is {}: {} overrides {}", mask_name(wanted), kFlag,
            field.empty() ? fmt::format("the architecture {}", found->backbone->architecture)
                          : fmt::format("\"{}\" of config.json", field));
  models::set_mask(wanted, &folder->config);
  return {};
}

std::string_view mask_name(MaskKind mask) {
  return mask == MaskKind::kCausal ? "causal" : "bidirectional";
}

}  // namespace wde::workflow
