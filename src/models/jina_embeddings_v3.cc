#include "models/jina_embeddings_v3.h"

#include <fmt/format.h>

#include "base/status.h"
#include "models/block_weights.h"
#include "models/config_fields.h"
#include "tensor/computed_rows.h"

namespace wde::models {
namespace {

// What the hub's checkpoints call modules, and what transformers 5 does.
struct Names {
  std::string_view embedding_norm, block;
  AttentionNames attention;
  std::string_view attention_norm, output_norm;
};
constexpr Names kHub = {.embedding_norm = "emb_ln",
                        .block = "encoder.layers.",
                        .attention = {.packed = "mixer.Wqkv", .output = "mixer.out_proj"},
                        .attention_norm = "norm1",
                        .output_norm = "norm2"};
constexpr Names kTransformers = {.embedding_norm = "embeddings.LayerNorm",
                                 .block = "layers.",
                                 .attention = {.query = "self_attn.q_proj",
                                               .key = "self_attn.k_proj",
                                               .value = "self_attn.v_proj",
                                               .output = "self_attn.o_proj"},
                                 .attention_norm = "post_attention_layernorm",
                                 .output_norm = "post_mlp_layernorm"};

constexpr char kOriginal[] = ".parametrizations.weight.original";
constexpr char kDown[] = ".parametrizations.weight.0.lora_A";
constexpr char kUp[] = ".parametrizations.weight.0.lora_B";

// The weights of a checkpoint whose matrices have adapters, by the names they have without.
class AdaptedSource final : public checkpoint::WeightSource {
 public:
  explicit AdaptedSource(const checkpoint::WeightSource& source) : source_(source) {}
  bool has(std::string_view name) const override {
    return source_.has(name) || source_.has(original(name));
  }
  Result<TensorView> tensor(std::string_view name) const override {
    return source_.has(name) ? source_.tensor(name) : source_.tensor(original(name));
  }
  std::vector<std::string> names() const override { return source_.names(); }

 private:
  // "x.weight" to "x.parametrizations.weight.original".
  static std::string original(std::string_view name) {
    constexpr std::string_view kWeight = ".weight";
    if (!name.ends_with(kWeight)) return std::string(name);
    return std::string(name.substr(0, name.size() - kWeight.size())) + kOriginal;
  }

  const checkpoint::WeightSource& source_;
};

// [n, rows, columns] as [n rows, columns].
TensorView flatten(const TensorView& view) {
  WDE_CHECK(view.computed == nullptr);
  return TensorView::contiguous(view.data, view.dtype,
                                {view.shape[0] * view.shape[1], view.shape[2]});
}

class Loader {
 public:
  Loader(const JinaEmbeddingsV3Config& config, const Weights& weights, layers::LoadContext& context)
      : config_(config), weights_(weights), context_(context) {}

  const Names& names() const { return weights_.has("emb_ln.weight") ? kHub : kTransformers; }

  Result<layers::EncoderBlock> block(
      int64_t l, const std::shared_ptr<const layers::RotaryEmbedding>& rotary) const {
    const int64_t C = config_.hidden_size, F = config_.intermediate_size;
    const BlockWeights block_weights(weights_, fmt::format("{}{}.", names().block, l));
    const AttentionShape shape{.hidden_size = C,
                               .heads = config_.heads,
                               .kv_heads = config_.heads,
                               .head_size = C / config_.heads};
    layers::EncoderBlock block;
    WDE_ASSIGN_OR_RETURN(auto attention, block_weights.attention(names().attention, shape));
    WDE_ASSIGN_OR_RETURN(attention.projection_adapters,
                         low_rank(block_weights.name("mixer.Wqkv"), 3 * C, C));
    WDE_ASSIGN_OR_RETURN(attention.output_adapters,
                         low_rank(block_weights.name("mixer.out_proj"), C, C));
    WDE_ASSIGN_OR_RETURN(block.attention, layers::SelfAttention::load(
                                              context_, attention,
                                              bidirectional_attention(context_, shape), rotary));
    WDE_ASSIGN_OR_RETURN(block.attention_norm, norm(block_weights, names().attention_norm));
    WDE_ASSIGN_OR_RETURN(
        auto mlp, block_weights.mlp("mlp.fc1", "mlp.fc2", Bias::kPresent, Bias::kPresent, C, F));
    WDE_ASSIGN_OR_RETURN(mlp.up_adapters, low_rank(block_weights.name("mlp.fc1"), F, C));
    WDE_ASSIGN_OR_RETURN(mlp.down_adapters, low_rank(block_weights.name("mlp.fc2"), C, F));
    WDE_ASSIGN_OR_RETURN(block.feed_forward, layers::Mlp::load(context_, mlp, config_.activation));
    WDE_ASSIGN_OR_RETURN(block.output_norm, norm(block_weights, names().output_norm));
    return block;
  }

  Result<layers::LayerNorm> norm(const BlockWeights& weights, std::string_view module) const {
    return weights.layer_norm(context_, module, config_.hidden_size, config_.layer_norm_epsilon);
  }

  Result<std::vector<JinaEmbeddingsV3Model::EmbeddingAdapter>> embedding_adapters(
      const TensorView& types) const {
    std::vector<JinaEmbeddingsV3Model::EmbeddingAdapter> adapters;
    const int64_t V = config_.vocab_size, Y = config_.type_vocab_size;
    for (int64_t i = 0; i < adapter_count(); ++i) {
      WDE_ASSIGN_OR_RETURN(const Factors words, factors("embeddings.word_embeddings", V, i));
      WDE_ASSIGN_OR_RETURN(const Factors type, factors("embeddings.token_type_embeddings", Y, i));
      JinaEmbeddingsV3Model::EmbeddingAdapter adapter;
      WDE_ASSIGN_OR_RETURN(adapter.word_down, layers::load_table(context_, words.down));
      WDE_ASSIGN_OR_RETURN(adapter.up, load_up(words.up));
      WDE_ASSIGN_OR_RETURN(adapter.type_embeddings, merge(types, type));
      adapters.push_back(std::move(adapter));
    }
    return adapters;
  }

 private:
  // Of an embedding: A [rows, r] and B [r, C].
  struct Factors {
    TensorView down, up;
  };

  int64_t adapter_count() const { return static_cast<int64_t>(config_.adapters.size()); }

  Result<layers::LowRankWeights> low_rank(const std::string& module, int64_t outputs,
                                          int64_t inputs) const {
    const int64_t n = adapter_count(), r = config_.adapter_rank;
    if (n == 0) return layers::LowRankWeights{};
    WDE_ASSIGN_OR_RETURN(const auto down, weights_.tensor(module + kDown, {n, r, inputs}));
    WDE_ASSIGN_OR_RETURN(const auto up, weights_.tensor(module + kUp, {n, outputs, r}));
    return layers::LowRankWeights{.adapters = n,
                                  .rank = r,
                                  .down = flatten(down),
                                  .up = flatten(up),
                                  .scale = config_.adapter_scale};
  }

  Result<Factors> factors(const std::string& module, int64_t rows, int64_t i) const {
    const int64_t n = adapter_count(), r = config_.adapter_rank, C = config_.hidden_size;
    WDE_ASSIGN_OR_RETURN(const auto down, weights_.tensor(module + kDown, {n, rows, r}));
    WDE_ASSIGN_OR_RETURN(const auto up, weights_.tensor(module + kUp, {n, r, C}));
    return Factors{flatten(down).slice_rows(i * rows, rows), flatten(up).slice_rows(i * r, r)};
  }

  // scale * B, transposed.
  Result<std::unique_ptr<ops::Gemm>> load_up(const TensorView& up) const {
    const int64_t C = config_.hidden_size, r = config_.adapter_rank;
    const ops::GemmProblem problem{
        .dtype = context_.dtype, .output_dtype = context_.dtype, .n = C, .k = r};
    context_.weight_bytes += ops::packed_bytes(problem);
    if (context_.planning) return std::unique_ptr<ops::Gemm>();
    const std::vector<float> rows = to_f32_vector(up);
    std::vector<float> transposed(rows.size());
    for (size_t i = 0; i < rows.size(); ++i) {
      const size_t row = i / static_cast<size_t>(C), column = i % static_cast<size_t>(C);
      transposed[column * static_cast<size_t>(r) + row] = config_.adapter_scale * rows[i];
    }
    return ops::create_gemm(
        problem, {.weight = TensorView::contiguous(transposed.data(), DType::kF32, {C, r})},
        *context_.device, context_.ops, context_.gemm_backend);
  }

  // table + scale * A B: small enough to keep one for each adapter.
  Result<TensorView> merge(const TensorView& table, const Factors& factors) const {
    std::vector<float> merged = to_f32_vector(table);
    const std::vector<float> down = to_f32_vector(factors.down), up = to_f32_vector(factors.up);
    const auto C = static_cast<size_t>(config_.hidden_size);
    const auto r = static_cast<size_t>(config_.adapter_rank);
    for (size_t i = 0; i < merged.size(); ++i) {
      float sum = 0;
      for (size_t j = 0; j < r; ++j) sum += down[i / C * r + j] * up[j * C + i % C];
      merged[i] += config_.adapter_scale * sum;
    }
    return layers::load_f32(context_,
                            TensorView::contiguous(merged.data(), DType::kF32, table.shape));
  }

  static std::vector<float> to_f32_vector(const TensorView& view) {
    std::vector<float> values(static_cast<size_t>(view.shape.elements()));
    read_f32(view, values.data());
    return values;
  }

  const JinaEmbeddingsV3Config& config_;
  const Weights& weights_;
  layers::LoadContext& context_;
};

Status read_adapters(const json::object& config, JinaEmbeddingsV3Config* jina) {
  WDE_ASSIGN_OR_RETURN(const json::array* names, json::get_array(config, "lora_adaptations"));
  WDE_ASSIGN_OR_RETURN(const bool trained, json::get_bool(config, "load_trained_adapters", true));
  if (names == nullptr || !trained) return {};
  for (const json::value& name : *names) {
    if (!name.is_string()) return data_loss_error("\"lora_adaptations\" must hold names");
    jina->adapters.emplace_back(name.get_string());
  }
  WDE_ASSIGN_OR_RETURN(jina->adapter_rank, get_size(config, "lora_rank"));
  WDE_ASSIGN_OR_RETURN(const double alpha, json::get_double(config, "lora_alpha", 1.0));
  jina->adapter_scale = static_cast<float>(alpha / static_cast<double>(jina->adapter_rank));
  return {};
}

Status read_rope(const json::object& config, int64_t head_size, JinaEmbeddingsV3Config* jina) {
  if (!has_rotary_positions(config)) {
    WDE_ASSIGN_OR_RETURN(jina->rope,
                         layers::parse_rope(config, {.head_size = head_size,
                                                     .max_positions = jina->max_positions,
                                                     .theta = 20000.0}));
    return {};
  }
  WDE_ASSIGN_OR_RETURN(const double base, json::get_double(config, "rotary_emb_base", 10000.0));
  WDE_ASSIGN_OR_RETURN(const int64_t size, get_size(config, "rotary_emb_dim", head_size));
  const double part = static_cast<double>(size) / static_cast<double>(head_size);
  const json::object fields = {{"rope_theta", base}, {"partial_rotary_factor", part}};
  WDE_ASSIGN_OR_RETURN(jina->rope, layers::parse_rope_parameters(fields, {.head_size = head_size}));
  WDE_ASSIGN_OR_RETURN(const bool interleaved,
                       json::get_bool(config, "rotary_emb_interleaved", false));
  if (interleaved) jina->pairs = ops::RopePairs::kInterleaved;
  WDE_ASSIGN_OR_RETURN(const double xpos, json::get_double(config, "rotary_emb_scale_base", 0));
  if (xpos != 0) return unsupported_error("rotary_emb_scale_base {} is not supported", xpos);
  return {};
}

}  // namespace

bool has_rotary_positions(const json::object& config) {
  const json::value* positions = config.if_contains("position_embedding_type");
  return positions != nullptr && *positions == "rotary";
}

Result<JinaEmbeddingsV3Config> JinaEmbeddingsV3Config::from_json(const json::object& config) {
  JinaEmbeddingsV3Config jina;
  WDE_ASSIGN_OR_RETURN(jina.layers, get_size(config, "num_hidden_layers"));
  WDE_ASSIGN_OR_RETURN(jina.hidden_size, get_size(config, "hidden_size"));
  WDE_ASSIGN_OR_RETURN(jina.intermediate_size, get_size(config, "intermediate_size"));
  WDE_ASSIGN_OR_RETURN(jina.heads, get_size(config, "num_attention_heads"));
  WDE_ASSIGN_OR_RETURN(jina.vocab_size, get_size(config, "vocab_size"));
  WDE_ASSIGN_OR_RETURN(jina.max_positions, get_size(config, "max_position_embeddings", 8194));
  WDE_ASSIGN_OR_RETURN(jina.type_vocab_size, get_int_in(config, "type_vocab_size", 1, {1, 1024}));
  WDE_ASSIGN_OR_RETURN(jina.layer_norm_epsilon, get_epsilon(config, "layer_norm_eps", 1e-5));
  WDE_ASSIGN_OR_RETURN(jina.activation, get_activation(config, "hidden_act", "gelu"));
  WDE_ASSIGN_OR_RETURN(const int64_t head_size, divide_heads({"hidden_size", jina.hidden_size},
                                                             {"num_attention_heads", jina.heads}));
  WDE_RETURN_IF_ERROR(expect_encoder(config));
  // The checkpoint's tables have whole multiples of rows.
  WDE_ASSIGN_OR_RETURN(const int64_t multiple, get_size(config, "pad_vocab_size_multiple", 1));
  jina.vocab_size = (jina.vocab_size + multiple - 1) / multiple * multiple;
  WDE_RETURN_IF_ERROR(read_rope(config, head_size, &jina));
  WDE_RETURN_IF_ERROR(read_adapters(config, &jina));
  return jina;
}

Result<ModelTraits> JinaEmbeddingsV3Model::traits(const json::object& json) {
  WDE_ASSIGN_OR_RETURN(JinaEmbeddingsV3Config config, JinaEmbeddingsV3Config::from_json(json));
  return ModelTraits{.hidden_size = static_cast<int>(config.hidden_size),
                     .vocab_size = static_cast<int>(config.vocab_size),
                     .type_vocab_size = static_cast<int>(config.type_vocab_size),
                     .position_offset = 0,
                     .max_length = static_cast<int>(config.max_positions),
                     .adapters = std::move(config.adapters)};
}

Result<std::unique_ptr<Model>> JinaEmbeddingsV3Model::load(const json::object& json,
                                                           const checkpoint::WeightSource& source,
                                                           layers::LoadContext& context) {
  WDE_ASSIGN_OR_RETURN(const JinaEmbeddingsV3Config config,
                       JinaEmbeddingsV3Config::from_json(json));
  const AdaptedSource adapted(source);
  const Weights weights(adapted, "roberta.", "embeddings.word_embeddings.weight");
  const Loader loader(config, weights, context);
  const int64_t C = config.hidden_size;
  auto model = std::make_unique<JinaEmbeddingsV3Model>();
  model->dtype_ = context.dtype;
  model->hidden_size_ = C;
  WDE_ASSIGN_OR_RETURN(const auto words,
                       weights.tensor("embeddings.word_embeddings.weight", {config.vocab_size, C}));
  WDE_ASSIGN_OR_RETURN(const auto types, weights.tensor("embeddings.token_type_embeddings.weight",
                                                        {config.type_vocab_size, C}));
  WDE_ASSIGN_OR_RETURN(model->word_embeddings_, layers::load_table(context, words));
  WDE_ASSIGN_OR_RETURN(model->type_embeddings_, layers::load_table(context, types));
  WDE_ASSIGN_OR_RETURN(model->adapters_, loader.embedding_adapters(types));
  WDE_ASSIGN_OR_RETURN(model->embedding_norm_,
                       loader.norm(BlockWeights(weights, ""), loader.names().embedding_norm));
  WDE_ASSIGN_OR_RETURN(const auto rotary,
                       layers::RotaryEmbedding::load(context, config.rope, C / config.heads,
                                                     config.max_positions, config.pairs));
  for (int64_t l = 0; l < config.layers; ++l) {
    WDE_ASSIGN_OR_RETURN(layers::EncoderBlock block, loader.block(l, rotary));
    model->blocks_.push_back(std::move(block));
  }
  return std::unique_ptr<Model>(std::move(model));
}

std::vector<ModuleChoice> JinaEmbeddingsV3Model::choices() const {
  return {{"attention", blocks_.front().attention.backend()},
          {"gemm", blocks_.front().feed_forward->backend()}};
}

TensorView JinaEmbeddingsV3Model::forward(ops::OpContext& context,
                                          const layers::TokenBatch& batch) const {
  const int64_t T = batch.tokens();
  const TensorView x = context.arena.allocate(dtype_, {T, hidden_size_});
  const EmbeddingAdapter* adapter =
      batch.adapter < 0 ? nullptr : &adapters_[static_cast<size_t>(batch.adapter)];
  ops::embedding_sum(
      context, {.ids = batch.ids,
                .type_ids = batch.type_ids,
                .word_table = word_embeddings_,
                .type_table = adapter == nullptr ? type_embeddings_ : adapter->type_embeddings,
                .out = x});
  if (adapter != nullptr) {
    const Arena::Mark mark(context.arena);
    const TensorView low = context.arena.allocate(dtype_, {T, adapter->word_down.shape[1]});
    ops::embedding_sum(context, {.ids = batch.ids, .word_table = adapter->word_down, .out = low});
    ops::gemm(context, *adapter->up, {.x = low, .residual = x, .y = x});
  }
  embedding_norm_.forward(context, x, x);
  for (const layers::EncoderBlock& block : blocks_) block.forward(context, batch, x);
  return x;
}

}  // namespace wde::models
