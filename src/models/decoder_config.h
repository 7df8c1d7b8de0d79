// What config.json says of a decoder-only transformer, architecture by architecture: the fields and
// defaults of its class in transformers (5.23, and 4's spellings).
#pragma once

#include <vector>

#include "attention/attention.h"
#include "base/json.h"
#include "layers/rotary_embedding.h"
#include "models/model.h"
#include "models/weights.h"

namespace wde::models {

// L layers, C hidden, F intermediate, H heads, Hkv key/value heads, D head size.
struct DecoderConfig {
  int64_t layers = 0, hidden_size = 0, intermediate_size = 0;
  int64_t heads = 0, kv_heads = 0, head_size = 0;
  int64_t vocab_size = 0, max_positions = 0;
  float embedding_scale = 1;     // of word embeddings
  float norm_epsilon = 1e-6f;    // of RMS norms
  float norm_weight_offset = 0;  // added to their weights
  bool head_norms = false;       // queries and keys are normalized, every head by itself
  bool post_norms = false;       // what a block adds is normalized, too
  ops::Activation activation = ops::Activation::kSilu;
  Bias projection_bias = Bias::kAbsent;  // of query, key and value
  Bias output_bias = Bias::kAbsent;      // of the attention's output
  Bias mlp_bias = Bias::kAbsent;
  float attention_scale = 0;  // of q k
  float softcap = 0;          // of scores; 0: none
  attention::MaskKind mask = attention::MaskKind::kCausal;
  std::vector<bool> local;  // [L]: whether a block sees a window only
  // Of local blocks, tokens to each side of the one that looks; a causal mask hides the right ones.
  int64_t window = 0;
  layers::RopeConfig global_rope, local_rope;

  // Each reads the config.json of one architecture. `mask` is what the architecture has where
  // neither "is_causal" nor "use_bidirectional_attention" says. Errors: kDataLoss (a field that is
  // missing, of a wrong type or out of range), kUnsupported (a field's value that is not
  // implemented); each names the field.
  using Read = Result<DecoderConfig>(const json::object& config, attention::MaskKind mask);
  static Read of_llama;    // Touvron et al. 2023, arXiv:2302.13971
  static Read of_mistral;  // Jiang et al. 2023, arXiv:2310.06825
  static Read of_qwen2;    // Yang et al. 2024, arXiv:2407.10671
  static Read of_qwen3;    // Yang et al. 2025, arXiv:2505.09388
  static Read of_gemma;    // Gemma Team 2024, arXiv:2403.08295
  static Read of_gemma2;   // Gemma Team 2024, arXiv:2408.00118
  static Read of_gemma3;   // Gemma Team 2025, arXiv:2503.19786; EmbeddingGemma, arXiv:2509.20354
  // Llama's blocks without its mask (Boizard et al. 2025, arXiv:2503.05500), whatever a field says.
  static Read of_eurobert;
};

}  // namespace wde::models
