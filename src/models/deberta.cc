#include "models/deberta.h"

#include <algorithm>
#include <cmath>
#include <span>

#include "base/status.h"
#include "models/config_fields.h"

namespace wde::models {
namespace {

constexpr BertNames kNames = {.prefix = "deberta.",
                              .projection = {},
                              .distance_bias = {},
                              .inner_layer = {},
                              .query = "attention.self.query_proj",
                              .key = "attention.self.key_proj",
                              .value = "attention.self.value_proj"};

// "p2c|c2p", or a list of such names, in lower case; empty where there is none.
Result<std::vector<std::string>> get_names(const json::object& config, std::string_view key) {
  std::vector<std::string> names;
  const json::value* field = config.if_contains(key);
  if (field == nullptr || field->is_null()) return names;
  if (const json::array* list = field->if_array()) {
    for (const json::value& name : *list) {
      if (!name.is_string()) return data_loss_error("\"{}\" must hold strings", key);
      names.emplace_back(name.get_string());
    }
    return names;
  }
  WDE_ASSIGN_OR_RETURN(const std::string joined, json::get_string(config, key, ""));
  std::string name;
  for (const char c : joined + '|') {
    if (c == '|') names.push_back(std::exchange(name, {}));
    if (c != '|' && c != ' ') name += c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  }
  return names;
}

// Sets what each known name stands for. Errors: kUnsupported for another name.
struct KnownName {
  std::string_view name;
  bool* set;  // null: the name of nothing
};
Status get_flags(const json::object& config, std::string_view key,
                 std::span<const KnownName> known) {
  WDE_ASSIGN_OR_RETURN(const std::vector<std::string> names, get_names(config, key));
  for (const std::string& name : names) {
    const auto found = std::find_if(known.begin(), known.end(),
                                    [&](const KnownName& row) { return row.name == name; });
    if (found == known.end()) return unsupported_error("{} \"{}\" is not supported", key, name);
    if (found->set != nullptr) *found->set = true;
  }
  return {};
}

Status read_positions(const json::object& config, DebertaConfig* deberta) {
  const KnownName terms[] = {{"c2p", &deberta->content_to_position},
                             {"p2c", &deberta->position_to_content},
                             {"", nullptr}};
  WDE_RETURN_IF_ERROR(get_flags(config, "pos_att_type", terms));
  const KnownName norms[] = {{"layer_norm", &deberta->norm_positions}, {"none", nullptr}};
  WDE_RETURN_IF_ERROR(get_flags(config, "norm_rel_ebd", norms));
  WDE_ASSIGN_OR_RETURN(deberta->relative_attention,
                       json::get_bool(config, "relative_attention", false));
  WDE_ASSIGN_OR_RETURN(deberta->share_att_key, json::get_bool(config, "share_att_key", false));
  constexpr IntRange kRange{.least = -1, .most = int64_t{1} << 20};
  WDE_ASSIGN_OR_RETURN(const int64_t distance,
                       get_int_in(config, "max_relative_positions", -1, kRange));
  WDE_ASSIGN_OR_RETURN(const int64_t buckets, get_int_in(config, "position_buckets", -1, kRange));
  layers::DistanceRows& rows = deberta->rows;
  rows.max_distance = distance < 1 ? deberta->bert.max_positions : distance;
  rows.buckets = std::max<int64_t>(buckets, 0);
  rows.span = rows.buckets > 0 ? rows.buckets : rows.max_distance;
  if (rows.buckets > 0 && (rows.buckets < 4 || rows.max_distance - 1 <= rows.buckets / 2)) {
    return data_loss_error("position_buckets {} for max_relative_positions {}", rows.buckets,
                           rows.max_distance);
  }
  return {};
}

// A layer's position projections, by the terms that its attention has.
struct PositionWeights {
  layers::PositionProjection key, query;
};
Result<PositionWeights> find_projections(const DebertaConfig& config, const Weights& weights,
                                         const std::string& layer) {
  const int64_t C = config.bert.hidden_size;
  const std::string self = layer + "attention.self.";
  PositionWeights found;
  if (config.content_to_position) {
    WDE_ASSIGN_OR_RETURN(
        const auto key,
        weights.linear(self + (config.share_att_key ? "key_proj" : "pos_key_proj"), C, C));
    found.key = {key.weight, key.bias};
  }
  if (config.position_to_content) {
    WDE_ASSIGN_OR_RETURN(
        const auto query,
        weights.linear(self + (config.share_att_key ? "query_proj" : "pos_query_proj"), C, C));
    found.query = {query.weight, query.bias};
  }
  return found;
}

Result<layers::DisentangledPositions> load_positions(const DebertaConfig& config,
                                                     const Weights& weights,
                                                     layers::LoadContext& context) {
  const int64_t C = config.bert.hidden_size;
  WDE_ASSIGN_OR_RETURN(const auto table,
                       weights.tensor("encoder.rel_embeddings.weight", {2 * config.rows.span, C}));
  std::optional<layers::LayerNorm> norm;
  if (config.norm_positions) {
    WDE_ASSIGN_OR_RETURN(const auto found, weights.layer_norm("encoder.LayerNorm", C));
    WDE_ASSIGN_OR_RETURN(norm, layers::LayerNorm::load(context, found.weight, found.bias,
                                                       config.bert.layer_norm_epsilon));
  }
  return layers::DisentangledPositions::load(context, table, norm, config.rows,
                                             config.bert.max_positions - 1);
}

// 1 / sqrt(D n) for n terms of the score: content to content, and those of pos_att_type.
attention::AttentionProblem make_problem(const DebertaConfig& config,
                                         const layers::LoadContext& context) {
  attention::AttentionProblem problem =
      bidirectional_attention(context, bert_attention_shape(config.bert));
  const int terms = 1 + (config.content_to_position ? 1 : 0) + (config.position_to_content ? 1 : 0);
  problem.scale = 1.0f / std::sqrt(static_cast<float>(problem.head_size * terms));
  return problem;
}

}  // namespace

Result<DebertaConfig> DebertaConfig::from_json(const json::object& config) {
  DebertaConfig deberta;
  WDE_ASSIGN_OR_RETURN(deberta.bert,
                       read_bert_config(config, {.types = 0, .fewest_types = 0, .epsilon = 1e-7}));
  BertConfig& bert = deberta.bert;
  bert.names = kNames;
  WDE_ASSIGN_OR_RETURN(bert.embeds_positions,
                       json::get_bool(config, "position_biased_input", true));
  WDE_ASSIGN_OR_RETURN(bert.embedding_size, get_size(config, "embedding_size", bert.hidden_size));
  bert.projection = Projection::kBeforeNorm;
  if (bert.embedding_size != bert.hidden_size) bert.names.projection = "embeddings.embed_proj";
  WDE_RETURN_IF_ERROR(read_positions(config, &deberta));
  WDE_ASSIGN_OR_RETURN(const int64_t kernel, json::get_int(config, "conv_kernel_size", 0));
  if (kernel > 0)
    return unsupported_error("conv_kernel_size {} is not supported; models without are", kernel);
  const int64_t head_size = bert.hidden_size / bert.heads;
  WDE_ASSIGN_OR_RETURN(const int64_t given,
                       json::get_int(config, "attention_head_size", head_size));
  if (given != head_size)
    return unsupported_error(
        "attention_head_size {} is not supported; hidden_size / "
        "num_attention_heads, {}, is",
        given, head_size);
  return deberta;
}

Result<ModelTraits> DebertaModel::traits(const json::object& json) {
  WDE_ASSIGN_OR_RETURN(const DebertaConfig config, DebertaConfig::from_json(json));
  return bert_traits(config.bert);
}

Result<std::unique_ptr<Model>> DebertaModel::load(const json::object& json,
                                                  const checkpoint::WeightSource& source,
                                                  layers::LoadContext& context) {
  WDE_ASSIGN_OR_RETURN(const DebertaConfig config, DebertaConfig::from_json(json));
  const Weights weights(source, config.bert.names.prefix, "embeddings.word_embeddings.weight");
  auto model = std::make_unique<DebertaModel>();
  model->dtype_ = context.dtype;
  model->hidden_size_ = config.bert.hidden_size;
  WDE_ASSIGN_OR_RETURN(model->embeddings_, BertEmbeddings::load(config.bert, weights, context));
  attention::AttentionProblem problem = make_problem(config, context);
  std::optional<layers::DisentangledPositions> positions;
  if (config.relative_attention) {
    WDE_ASSIGN_OR_RETURN(positions, load_positions(config, weights, context));
  }
  for (int64_t l = 0; l < config.bert.layers; ++l) {
    const std::string layer = fmt::format("encoder.layer.{}.", l);
    if (positions) {
      WDE_ASSIGN_OR_RETURN(const auto found, find_projections(config, weights, layer));
      WDE_ASSIGN_OR_RETURN(problem.disentangled,
                           positions->project(context, found.key, found.query));
    }
    WDE_ASSIGN_OR_RETURN(layers::EncoderBlock block,
                         load_bert_block(config.bert, weights, layer, problem, context));
    model->blocks_.push_back(std::move(block));
  }
  return std::unique_ptr<Model>(std::move(model));
}

std::vector<ModuleChoice> DebertaModel::choices() const {
  return {{"attention", blocks_.front().attention.backend()},
          {"gemm", blocks_.front().feed_forward->backend()}};
}

TensorView DebertaModel::forward(ops::OpContext& context, const layers::TokenBatch& batch) const {
  const TensorView x = context.arena.allocate(dtype_, {batch.tokens(), hidden_size_});
  embeddings_.forward(context, batch, x);
  for (const layers::EncoderBlock& block : blocks_) block.forward(context, batch, x);
  return x;
}

}  // namespace wde::models
