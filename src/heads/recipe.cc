#include "heads/recipe.h"

#include <cstdint>
#include <string>

namespace wde::heads {
namespace {

// The activations that architectures fix, and those that configs choose.
constexpr ConfigChoice kTanh = {.otherwise = "tanh"};
constexpr ConfigChoice kRelu = {.otherwise = "relu"};
constexpr ConfigChoice kGelu = {.otherwise = "gelu"};
constexpr ConfigChoice kHiddenAct = {.field = "hidden_act", .otherwise = "gelu"};
constexpr ConfigChoice kAlbertAct = {.field = "hidden_act", .otherwise = "gelu_new"};
constexpr ConfigChoice kPoolerAct = {.field = "pooler_hidden_act", .otherwise = "gelu"};
constexpr ConfigChoice kModernBertAct = {.field = "classifier_activation", .otherwise = "gelu"};
constexpr ConfigChoice kDistilBertAct = {.field = "activation", .otherwise = "gelu"};

constexpr RecipeNorm bert_norm(std::string_view module, float epsilon = 1e-12f) {
  return {.module = module, .epsilon_field = "layer_norm_eps", .epsilon = epsilon};
}

// Labels of a text: its first token's state through `dense`.
constexpr Recipe first_token(std::string_view architecture, std::string_view backbone,
                             const RecipeDense& dense, std::string_view output = "classifier") {
  return {.architecture = architecture,
          .backbone = backbone,
          .kind = HeadKind::kSequenceClassification,
          .rows = RowChoice::kFirstToken,
          .dense = dense,
          .output = {.module = output}};
}

// The same, of models whose head is all in "classifier".
constexpr Recipe first_token_apart(std::string_view architecture, std::string_view backbone,
                                   const ConfigChoice& activation) {
  return first_token(architecture, backbone,
                     {.module = "classifier.dense", .activation = activation},
                     "classifier.out_proj");
}

// Labels of every token, of its state.
constexpr Recipe every_token(std::string_view architecture, std::string_view backbone,
                             std::string_view output = "classifier") {
  return {.architecture = architecture,
          .backbone = backbone,
          .kind = HeadKind::kTokenClassification,
          .output = {.module = output}};
}

constexpr Recipe masked_lm(std::string_view architecture, std::string_view backbone,
                           const RecipeDense& dense, const RecipeNorm& norm,
                           const RecipeOutput& output) {
  return {.architecture = architecture,
          .backbone = backbone,
          .kind = HeadKind::kMaskedLm,
          .dense = dense,
          .norm = norm,
          .output = output};
}

// RoBERTa's and its relatives' masked language models.
constexpr Recipe roberta_lm(std::string_view architecture, std::string_view backbone,
                            std::string_view tied_table) {
  return masked_lm(architecture, backbone, {.module = "lm_head.dense", .activation = kGelu},
                   bert_norm("lm_head.layer_norm"),
                   {.module = "lm_head.decoder", .tied_table = tied_table, .bias = "lm_head.bias"});
}

constexpr char kRobertaTable[] = "roberta.embeddings.word_embeddings.weight";

// ModernBERT's, before each of its heads.
constexpr RecipeDense kModernBertDense = {.module = "head.dense", .activation = kModernBertAct};
constexpr RecipeNorm kModernBertNorm = {
    .module = "head.norm", .epsilon_field = "norm_eps", .epsilon = 1e-5f};

// What transformers puts behind any decoder: a matrix without a bias for the last token, a layer
// for every token, and the language model's matrix, which is often the table of words.
constexpr Recipe last_token(std::string_view architecture, std::string_view backbone) {
  return {.architecture = architecture,
          .backbone = backbone,
          .kind = HeadKind::kSequenceClassification,
          .rows = RowChoice::kLastToken,
          .output = {.module = "score"}};
}
constexpr Recipe causal_lm(std::string_view architecture, std::string_view backbone,
                           std::string_view table = "model.embed_tokens.weight") {
  return {.architecture = architecture,
          .backbone = backbone,
          .kind = HeadKind::kCausalLm,
          .output = {.module = "lm_head", .tied_table = table}};
}

// Two layers, as Qwen2.5-Math's reward models have them in code of their own.
constexpr Recipe reward(std::string_view architecture, std::string_view backbone, HeadKind kind,
                        RowChoice rows, int64_t rewards) {
  return {.architecture = architecture,
          .backbone = backbone,
          .kind = kind,
          .rows = rows,
          .dense = {.module = "score.0", .activation = kRelu},
          .output = {.module = "score.2"},
          .rewards = rewards};
}

// Checked against transformers 5.23's modeling files (which store GTE by the names of New's code)
// and by tests/data/task_goldens; those of code on the hub (New, JinaBERT) against that code.
constexpr Recipe kRecipes[] = {
    first_token("BertForSequenceClassification", "BertModel",
                {.module = "bert.pooler.dense", .activation = kTanh}),
    every_token("BertForTokenClassification", "BertModel"),
    masked_lm("BertForMaskedLM", "BertModel",
              {.module = "cls.predictions.transform.dense", .activation = kHiddenAct},
              bert_norm("cls.predictions.transform.LayerNorm"),
              {.module = "cls.predictions.decoder",
               .tied_table = "bert.embeddings.word_embeddings.weight",
               .bias = "cls.predictions.bias"}),
    first_token_apart("RobertaForSequenceClassification", "RobertaModel", kTanh),
    every_token("RobertaForTokenClassification", "RobertaModel"),
    roberta_lm("RobertaForMaskedLM", "RobertaModel", kRobertaTable),
    first_token_apart("XLMRobertaForSequenceClassification", "XLMRobertaModel", kTanh),
    every_token("XLMRobertaForTokenClassification", "XLMRobertaModel"),
    roberta_lm("XLMRobertaForMaskedLM", "XLMRobertaModel", kRobertaTable),
    first_token_apart("CamembertForSequenceClassification", "CamembertModel", kTanh),
    every_token("CamembertForTokenClassification", "CamembertModel"),
    roberta_lm("CamembertForMaskedLM", "CamembertModel", kRobertaTable),
    first_token("DistilBertForSequenceClassification", "DistilBertModel",
                {.module = "pre_classifier", .activation = kRelu}),
    every_token("DistilBertForTokenClassification", "DistilBertModel"),
    masked_lm("DistilBertForMaskedLM", "DistilBertModel",
              {.module = "vocab_transform", .activation = kDistilBertAct},
              {.module = "vocab_layer_norm"},
              {.module = "vocab_projector",
               .tied_table = "distilbert.embeddings.word_embeddings.weight"}),
    first_token_apart("ElectraForSequenceClassification", "ElectraModel", kGelu),
    every_token("ElectraForTokenClassification", "ElectraModel"),
    masked_lm(
        "ElectraForMaskedLM", "ElectraModel",
        {.module = "generator_predictions.dense",
         .activation = kGelu,
         .size_field = "embedding_size",
         .size = 128},
        bert_norm("generator_predictions.LayerNorm"),
        {.module = "generator_lm_head", .tied_table = "electra.embeddings.word_embeddings.weight"}),
    first_token("AlbertForSequenceClassification", "AlbertModel",
                {.module = "albert.pooler", .activation = kTanh}),
    every_token("AlbertForTokenClassification", "AlbertModel"),
    masked_lm("AlbertForMaskedLM", "AlbertModel",
              {.module = "predictions.dense",
               .activation = kAlbertAct,
               .size_field = "embedding_size",
               .size = 128},
              bert_norm("predictions.LayerNorm"),
              {.module = "predictions.decoder",
               .tied_table = "albert.embeddings.word_embeddings.weight",
               .bias = "predictions.bias"}),
    first_token_apart("MPNetForSequenceClassification", "MPNetModel", kTanh),
    every_token("MPNetForTokenClassification", "MPNetModel"),
    roberta_lm("MPNetForMaskedLM", "MPNetModel", "mpnet.embeddings.word_embeddings.weight"),
    first_token("DebertaV2ForSequenceClassification", "DebertaV2Model",
                {.module = "pooler.dense", .activation = kPoolerAct}),
    every_token("DebertaV2ForTokenClassification", "DebertaV2Model"),
    masked_lm("DebertaV2ForMaskedLM", "DebertaV2Model",
              {.module = "cls.predictions.transform.dense",
               .activation = kHiddenAct,
               .size_field = "embedding_size"},
              bert_norm("cls.predictions.transform.LayerNorm", 1e-7f),
              {.module = "cls.predictions.decoder",
               .tied_table = "deberta.embeddings.word_embeddings.weight",
               .bias = "cls.predictions.bias"}),
    {.architecture = "ModernBertForSequenceClassification",
     .backbone = "ModernBertModel",
     .kind = HeadKind::kSequenceClassification,
     .rows = RowChoice::kClassifierPooling,
     .classifier_pooling = "cls",
     .dense = kModernBertDense,
     .norm = kModernBertNorm,
     .output = {.module = "classifier"}},
    {.architecture = "ModernBertForTokenClassification",
     .backbone = "ModernBertModel",
     .kind = HeadKind::kTokenClassification,
     .dense = kModernBertDense,
     .norm = kModernBertNorm,
     .output = {.module = "classifier"}},
    masked_lm("ModernBertForMaskedLM", "ModernBertModel", kModernBertDense, kModernBertNorm,
              {.module = "decoder", .tied_table = "model.embeddings.tok_embeddings.weight"}),
    {.architecture = "EuroBertForSequenceClassification",
     .backbone = "EuroBertModel",
     .kind = HeadKind::kSequenceClassification,
     .rows = RowChoice::kClassifierPooling,
     .classifier_pooling = "late",
     .dense = {.module = "dense", .activation = kGelu},
     .output = {.module = "classifier"}},
    every_token("EuroBertForTokenClassification", "EuroBertModel"),
    masked_lm("EuroBertForMaskedLM", "EuroBertModel", {}, {},
              {.module = "lm_head", .tied_table = "model.embed_tokens.weight"}),
    first_token("GteForSequenceClassification", "GteModel",
                {.module = "gte.pooler.dense", .activation = kTanh}),
    every_token("GteForTokenClassification", "GteModel"),
    masked_lm("GteForMaskedLM", "GteModel", {.module = "lm_head.dense", .activation = kGelu},
              bert_norm("lm_head.norm"),
              {.module = "lm_head.decoder", .tied_table = "gte.embeddings.word_embeddings.weight"}),
    first_token("NewForSequenceClassification", "NewModel",
                {.module = "new.pooler.dense", .activation = kTanh}),
    every_token("NewForTokenClassification", "NewModel"),
    masked_lm("NewForMaskedLM", "NewModel", {.module = "lm_head.dense", .activation = kHiddenAct},
              bert_norm("lm_head.norm"),
              {.module = "lm_head.decoder", .tied_table = "new.embeddings.word_embeddings.weight"}),
    first_token("NomicBertForSequenceClassification", "NomicBertModel",
                {.module = "bert.pooler.dense",
                 .activation = kTanh,
                 .other_module = "nomic_bert.pooler.dense"}),
    every_token("NomicBertForTokenClassification", "NomicBertModel"),
    first_token("JinaBertForSequenceClassification", "JinaBertModel",
                {.module = "bert.pooler.dense", .activation = kTanh}),
    every_token("JinaBertForTokenClassification", "JinaBertModel"),
    last_token("LlamaForSequenceClassification", "LlamaModel"),
    every_token("LlamaForTokenClassification", "LlamaModel", "score"),
    causal_lm("LlamaForCausalLM", "LlamaModel"),
    last_token("MistralForSequenceClassification", "MistralModel"),
    every_token("MistralForTokenClassification", "MistralModel", "score"),
    causal_lm("MistralForCausalLM", "MistralModel"),
    last_token("Qwen2ForSequenceClassification", "Qwen2Model"),
    every_token("Qwen2ForTokenClassification", "Qwen2Model", "score"),
    reward("Qwen2ForRewardModel", "Qwen2Model", HeadKind::kSequenceClassification,
           RowChoice::kLastToken, 1),
    reward("Qwen2ForProcessRewardModel", "Qwen2Model", HeadKind::kProcessReward,
           RowChoice::kEveryToken, 2),
    causal_lm("Qwen2ForCausalLM", "Qwen2Model"),
    last_token("Qwen3ForSequenceClassification", "Qwen3Model"),
    every_token("Qwen3ForTokenClassification", "Qwen3Model", "score"),
    causal_lm("Qwen3ForCausalLM", "Qwen3Model"),
    last_token("GemmaForSequenceClassification", "GemmaModel"),
    every_token("GemmaForTokenClassification", "GemmaModel", "score"),
    causal_lm("GemmaForCausalLM", "GemmaModel"),
    last_token("Gemma2ForSequenceClassification", "Gemma2Model"),
    every_token("Gemma2ForTokenClassification", "Gemma2Model", "score"),
    causal_lm("Gemma2ForCausalLM", "Gemma2Model"),
    last_token("Gemma3TextForSequenceClassification", "Gemma3TextModel"),
    causal_lm("Gemma3ForCausalLM", "Gemma3TextModel"),
    last_token("GPT2ForSequenceClassification", "GPT2Model"),
    every_token("GPT2ForTokenClassification", "GPT2Model"),
    causal_lm("GPT2LMHeadModel", "GPT2Model", "transformer.wte.weight"),
};

// transformers takes the rightmost token that is not the padding's, in the text too.
Result<RowPooling> last_token_pooling(const json::object& config) {
  RowPooling last{.pooling = ops::Pooling::kLastUnmarked, .marker = -1};
  const json::value* padding = config.if_contains("pad_token_id");
  if (padding == nullptr || padding->is_null()) return last;
  WDE_ASSIGN_OR_RETURN(const int64_t id, json::get_int(config, "pad_token_id", -1));
  if (id > INT32_MAX) return data_loss_error("\"pad_token_id\": {}", id);
  if (id >= 0) last.marker = static_cast<int32_t>(id);  // no token has a negative one
  return last;
}

}  // namespace

std::span<const Recipe> recipes() { return kRecipes; }

const Recipe* find_recipe(std::string_view architecture) {
  for (const Recipe& recipe : kRecipes) {
    if (recipe.architecture == architecture) return &recipe;
  }
  return nullptr;
}

Result<RowPooling> choose_pooling(const Recipe& recipe, const json::object& config) {
  if (recipe.rows == RowChoice::kFirstToken) return RowPooling{};
  if (recipe.rows == RowChoice::kLastToken) return last_token_pooling(config);
  WDE_ASSIGN_OR_RETURN(const std::string name,
                       json::get_string(config, "classifier_pooling", recipe.classifier_pooling));
  if (name == "cls" || name == "bos") return RowPooling{};
  if (name == "mean") return RowPooling{.pooling = ops::Pooling::kMean};
  if (name == "late") return RowPooling{.pooling = ops::Pooling::kMean, .after_dense = true};
  return unsupported_error(
      "classifier_pooling \"{}\" is not supported; \"cls\", \"bos\", \"mean\" and \"late\" are",
      name);
}

Result<ops::Activation> choose_activation(const ConfigChoice& choice, const json::object& config) {
  std::string name(choice.otherwise);
  if (!choice.field.empty()) {
    WDE_ASSIGN_OR_RETURN(name, json::get_string(config, choice.field, choice.otherwise));
  }
  Result<ops::Activation> activation = ops::parse_activation(name);
  if (!activation.ok() && !choice.field.empty())
    return activation.status().with_context(choice.field);
  return activation;
}

}  // namespace wde::heads
