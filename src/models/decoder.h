// Decoder-only transformers that never decode: Llama and its descendants up to Gemma 3. Pre-norm
// blocks of rotary, grouped-query attention (Ainslie et al. 2023, arXiv:2305.13245) and gated
// feed-forwards between a table of words and a last RMS norm.
#pragma once

#include <memory>
#include <vector>

#include "checkpoint/weight_source.h"
#include "layers/pre_norm_block.h"
#include "models/decoder_config.h"

namespace wde::models {

class Decoder final : public Model {
 public:
  static ModelTraits traits(const DecoderConfig& config);
  // Errors: those of the weights (named tensors) and of the layers.
  static Result<std::unique_ptr<Model>> load(const DecoderConfig& config,
                                             const checkpoint::WeightSource& source,
                                             layers::LoadContext& context);

  std::vector<ModuleChoice> choices() const override;
  TensorView forward(ops::OpContext& context, const layers::TokenBatch& batch) const override;

 private:
  int64_t hidden_size_ = 0;
  DType dtype_ = DType::kF32;
  TensorView words_;
  float word_scale_ = 1;
  std::vector<layers::PreNormBlock> blocks_;
  layers::RmsNorm final_norm_;
};

// The registry's entry points of one reading of config.json; `kMask` is what the architecture has
// where its config does not say.
template <DecoderConfig::Read& kRead, attention::MaskKind kMask>
struct DecoderOf {
  // Errors: those of kRead.
  static Result<ModelTraits> traits(const json::object& json) {
    WDE_ASSIGN_OR_RETURN(const DecoderConfig config, kRead(json, kMask));
    return Decoder::traits(config);
  }
  // Errors: those of kRead and of Decoder::load.
  static Result<std::unique_ptr<Model>> load(const json::object& json,
                                             const checkpoint::WeightSource& source,
                                             layers::LoadContext& context) {
    WDE_ASSIGN_OR_RETURN(const DecoderConfig config, kRead(json, kMask));
    return Decoder::load(config, source, context);
  }
};

}  // namespace wde::models
