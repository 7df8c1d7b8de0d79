// The text encoders of CLIP (Radford et al. 2021, arXiv:2103.00020) and SigLIP (Zhai et al. 2023,
// arXiv:2303.15343): token and position embeddings, pre-norm blocks, a last norm. CLIP's is causal
// and its vector the hidden state at the end-of-text token, projected; SigLIP's sees everything,
// every text padded to one length, and its vector is the last token's, projected.
#pragma once

#include <memory>
#include <vector>

#include "layers/pre_norm_block.h"
#include "models/model.h"
#include "models/weights.h"

namespace wde::models {

// What a config class takes where config.json is silent: texts' configs are often all but empty.
struct TextTowerDefaults {
  int64_t hidden_size, intermediate_size, layers, heads;
  int64_t vocab_size, max_positions;
  double epsilon;
  std::string_view activation;
};

// L layers, C hidden, F intermediate, H heads.
struct TextTowerConfig {
  int64_t layers = 0, hidden_size = 0, intermediate_size = 0, heads = 0;
  int64_t vocab_size = 0, max_positions = 0;
  float epsilon = 1e-5f;
  ops::Activation activation = ops::Activation::kQuickGelu;
  attention::MaskKind mask = attention::MaskKind::kCausal;
  bool padded = false;  // every text to max_positions
  TextVector vector;

  // config.json of a CLIPModel, CLIPTextModel or CLIPTextModelWithProjection, and of SigLIP's
  // namesakes: the fields of its "text_config", where it has one. Errors: kDataLoss, kUnsupported;
  // each names the field.
  static Result<TextTowerConfig> of_clip(const json::object& config);
  static Result<TextTowerConfig> of_clip_projected(const json::object& config);
  static Result<TextTowerConfig> of_siglip(const json::object& config);
};

class TextTower final : public Model {
 public:
  static ModelTraits traits(const TextTowerConfig& config);
  // Errors: those of the weights (named tensors) and of the layers.
  static Result<std::unique_ptr<Model>> load(const TextTowerConfig& config,
                                             const checkpoint::WeightSource& source,
                                             layers::LoadContext& context);

  std::vector<ModuleChoice> choices() const override;
  TensorView forward(ops::OpContext& context, const layers::TokenBatch& batch) const override;

 private:
  int64_t hidden_size_ = 0;
  DType dtype_ = DType::kF32;
  TensorView words_, positions_;
  std::vector<layers::PreNormBlock> blocks_;
  layers::LayerNorm final_norm_;
};

// The registry's entry points of one reading of config.json.
template <Result<TextTowerConfig> (*kRead)(const json::object& config)>
struct TextTowerOf {
  // Errors: those of kRead.
  static Result<ModelTraits> traits(const json::object& json) {
    WDE_ASSIGN_OR_RETURN(const TextTowerConfig config, kRead(json));
    return TextTower::traits(config);
  }
  // Errors: those of kRead and of TextTower::load.
  static Result<std::unique_ptr<Model>> load(const json::object& json,
                                             const checkpoint::WeightSource& source,
                                             layers::LoadContext& context) {
    WDE_ASSIGN_OR_RETURN(const TextTowerConfig config, kRead(json));
    return TextTower::load(config, source, context);
  }
};

using ClipTextModel = TextTowerOf<&TextTowerConfig::of_clip>;
using ClipProjectedTextModel = TextTowerOf<&TextTowerConfig::of_clip_projected>;
using SiglipTextModel = TextTowerOf<&TextTowerConfig::of_siglip>;

}  // namespace wde::models
