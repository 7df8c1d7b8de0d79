// Decoder-only transformers that never decode: Llama and its descendants up to Gemma 3. Pre-norm
// blocks of rotary, grouped-query attention (Ainslie et al. 2023, arXiv:2305.13245) and gated
// feed-forwards between a table of words and a last RMS norm.
#pragma once

#include <memory>

#include "checkpoint/weight_source.h"
#include "layers/load_context.h"
#include "models/decoder_config.h"

namespace wde::models {

ModelTraits decoder_traits(const DecoderConfig& config);
// Errors: those of the weights (named tensors) and of the layers.
Result<std::unique_ptr<Model>> load_decoder(const DecoderConfig& config,
                                            const checkpoint::WeightSource& source,
                                            layers::LoadContext& context);

// The registry's entry points of one reading of config.json; `kMask` is what the architecture has
// where its config does not say.
template <DecoderConfig::Read& kRead, attention::MaskKind kMask>
struct DecoderOf {
  // Errors: those of kRead.
  static Result<ModelTraits> traits(const json::object& json) {
    WDE_ASSIGN_OR_RETURN(const DecoderConfig config, kRead(json, kMask));
    return decoder_traits(config);
  }
  // Errors: those of kRead and of load_decoder.
  static Result<std::unique_ptr<Model>> load(const json::object& json,
                                             const checkpoint::WeightSource& source,
                                             layers::LoadContext& context) {
    WDE_ASSIGN_OR_RETURN(const DecoderConfig config, kRead(json, kMask));
    return load_decoder(config, source, context);
  }
};

}  // namespace wde::models
