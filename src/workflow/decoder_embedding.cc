#include "workflow/decoder_embedding.h"

#include "base/status.h"
#include "workflow/decoder_mask.h"
#include "workflow/embedding.h"

namespace wde::workflow {
namespace {

using attention::MaskKind;

template <MaskKind kWanted>
std::string refusal(const checkpoint::ModelFolder& folder) {
  if (const std::string refusal = embedding_refusal(folder); !refusal.empty()) return refusal;
  const auto mask = find_decoder_mask(folder);
  if (!mask.ok()) return mask.status().message();
  if (!*mask) return "the architecture is no decoder";
  if (**mask != kWanted) return fmt::format("its attention is {}", mask_name(**mask));
  return {};
}

// Without modules.json sentence-transformers takes the last token of what was made to generate, the
// mean of all else.
Status settle_decoder(const EngineOptions& options, Settings* settings) {
  const std::string& architecture = settings->folder.architectures.front();
  if (architecture.ends_with("ForCausalLM")) {
    settings->traits.vector.pooling = ops::Pooling::kLast;
  }
  return settle_embedding(options, settings);
}

}  // namespace

Manifest decoder_embedding() {
  Manifest manifest = embedding();
  manifest.name = "decoder_embedding";
  manifest.description = "one vector a text, by a decoder whose tokens see those before them";
  manifest.refusal = &refusal<MaskKind::kCausal>;
  manifest.settle = &settle_decoder;
  return manifest;
}

Manifest bidirectional_embedding() {
  Manifest manifest = embedding();
  manifest.name = "bidirectional_embedding";
  manifest.description = "one vector a text, by a decoder whose tokens see all others";
  manifest.refusal = &refusal<MaskKind::kBidirectional>;
  return manifest;
}

}  // namespace wde::workflow
