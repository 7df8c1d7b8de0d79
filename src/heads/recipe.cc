#include "heads/recipe.h"

#include <string>

namespace wde::heads {
namespace {

constexpr auto kSequence = HeadKind::kSequenceClassification;
constexpr auto kToken = HeadKind::kTokenClassification;
constexpr auto kLm = HeadKind::kMaskedLm;

// The activations that architectures fix, and those that configs choose.
constexpr ConfigChoice kTanh = {.otherwise = "tanh"};
constexpr ConfigChoice kRelu = {.otherwise = "relu"};
constexpr ConfigChoice kGelu = {.otherwise = "gelu"};
constexpr ConfigChoice kHiddenAct = {.field = "hidden_act", .otherwise = "gelu"};
constexpr ConfigChoice kAlbertAct = {.field = "hidden_act", .otherwise = "gelu_new"};
constexpr ConfigChoice kPoolerAct = {.field = "pooler_hidden_act", .otherwise = "gelu"};
constexpr ConfigChoice kModernBertAct = {.field = "classifier_activation", .otherwise = "gelu"};
constexpr ConfigChoice kDistilBertAct = {.field = "activation", .otherwise = "gelu"};

constexpr RecipeNorm bert_norm(std::string_view module) {
  return {.module = module, .epsilon_field = "layer_norm_eps"};
}

// Checked against transformers 5.23's modeling files (which store GTE by the names of New's code)
// and by tests/data/task_goldens; New's own, of the same heads, by reading that code alone.
constexpr Recipe kRecipes[] = {
    {.architecture = "BertForSequenceClassification",
     .backbone = "BertModel",
     .kind = kSequence,
     .rows = RowChoice::kFirstToken,
     .dense = {.module = "bert.pooler.dense", .activation = kTanh},
     .output = {.module = "classifier"}},
    {.architecture = "BertForTokenClassification",
     .backbone = "BertModel",
     .kind = kToken,
     .output = {.module = "classifier"}},
    {.architecture = "BertForMaskedLM",
     .backbone = "BertModel",
     .kind = kLm,
     .dense = {.module = "cls.predictions.transform.dense", .activation = kHiddenAct},
     .norm = bert_norm("cls.predictions.transform.LayerNorm"),
     .output = {.module = "cls.predictions.decoder",
                .tied_table = "bert.embeddings.word_embeddings.weight",
                .bias = "cls.predictions.bias"}},
    {.architecture = "RobertaForSequenceClassification",
     .backbone = "RobertaModel",
     .kind = kSequence,
     .rows = RowChoice::kFirstToken,
     .dense = {.module = "classifier.dense", .activation = kTanh},
     .output = {.module = "classifier.out_proj"}},
    {.architecture = "RobertaForTokenClassification",
     .backbone = "RobertaModel",
     .kind = kToken,
     .output = {.module = "classifier"}},
    {.architecture = "RobertaForMaskedLM",
     .backbone = "RobertaModel",
     .kind = kLm,
     .dense = {.module = "lm_head.dense", .activation = kGelu},
     .norm = bert_norm("lm_head.layer_norm"),
     .output = {.module = "lm_head.decoder",
                .tied_table = "roberta.embeddings.word_embeddings.weight",
                .bias = "lm_head.bias"}},
    {.architecture = "XLMRobertaForSequenceClassification",
     .backbone = "XLMRobertaModel",
     .kind = kSequence,
     .rows = RowChoice::kFirstToken,
     .dense = {.module = "classifier.dense", .activation = kTanh},
     .output = {.module = "classifier.out_proj"}},
    {.architecture = "XLMRobertaForTokenClassification",
     .backbone = "XLMRobertaModel",
     .kind = kToken,
     .output = {.module = "classifier"}},
    {.architecture = "XLMRobertaForMaskedLM",
     .backbone = "XLMRobertaModel",
     .kind = kLm,
     .dense = {.module = "lm_head.dense", .activation = kGelu},
     .norm = bert_norm("lm_head.layer_norm"),
     .output = {.module = "lm_head.decoder",
                .tied_table = "roberta.embeddings.word_embeddings.weight",
                .bias = "lm_head.bias"}},
    {.architecture = "CamembertForSequenceClassification",
     .backbone = "CamembertModel",
     .kind = kSequence,
     .rows = RowChoice::kFirstToken,
     .dense = {.module = "classifier.dense", .activation = kTanh},
     .output = {.module = "classifier.out_proj"}},
    {.architecture = "CamembertForTokenClassification",
     .backbone = "CamembertModel",
     .kind = kToken,
     .output = {.module = "classifier"}},
    {.architecture = "CamembertForMaskedLM",
     .backbone = "CamembertModel",
     .kind = kLm,
     .dense = {.module = "lm_head.dense", .activation = kGelu},
     .norm = bert_norm("lm_head.layer_norm"),
     .output = {.module = "lm_head.decoder",
                .tied_table = "roberta.embeddings.word_embeddings.weight",
                .bias = "lm_head.bias"}},
    {.architecture = "DistilBertForSequenceClassification",
     .backbone = "DistilBertModel",
     .kind = kSequence,
     .rows = RowChoice::kFirstToken,
     .dense = {.module = "pre_classifier", .activation = kRelu},
     .output = {.module = "classifier"}},
    {.architecture = "DistilBertForTokenClassification",
     .backbone = "DistilBertModel",
     .kind = kToken,
     .output = {.module = "classifier"}},
    {.architecture = "DistilBertForMaskedLM",
     .backbone = "DistilBertModel",
     .kind = kLm,
     .dense = {.module = "vocab_transform", .activation = kDistilBertAct},
     .norm = {.module = "vocab_layer_norm"},
     .output = {.module = "vocab_projector",
                .tied_table = "distilbert.embeddings.word_embeddings.weight"}},
    {.architecture = "ElectraForSequenceClassification",
     .backbone = "ElectraModel",
     .kind = kSequence,
     .rows = RowChoice::kFirstToken,
     .dense = {.module = "classifier.dense", .activation = kGelu},
     .output = {.module = "classifier.out_proj"}},
    {.architecture = "ElectraForTokenClassification",
     .backbone = "ElectraModel",
     .kind = kToken,
     .output = {.module = "classifier"}},
    {.architecture = "ElectraForMaskedLM",
     .backbone = "ElectraModel",
     .kind = kLm,
     .dense = {.module = "generator_predictions.dense",
               .activation = kGelu,
               .size_field = "embedding_size",
               .size = 128},
     .norm = bert_norm("generator_predictions.LayerNorm"),
     .output = {.module = "generator_lm_head",
                .tied_table = "electra.embeddings.word_embeddings.weight"}},
    {.architecture = "AlbertForSequenceClassification",
     .backbone = "AlbertModel",
     .kind = kSequence,
     .rows = RowChoice::kFirstToken,
     .dense = {.module = "albert.pooler", .activation = kTanh},
     .output = {.module = "classifier"}},
    {.architecture = "AlbertForTokenClassification",
     .backbone = "AlbertModel",
     .kind = kToken,
     .output = {.module = "classifier"}},
    {.architecture = "AlbertForMaskedLM",
     .backbone = "AlbertModel",
     .kind = kLm,
     .dense = {.module = "predictions.dense",
               .activation = kAlbertAct,
               .size_field = "embedding_size",
               .size = 128},
     .norm = bert_norm("predictions.LayerNorm"),
     .output = {.module = "predictions.decoder",
                .tied_table = "albert.embeddings.word_embeddings.weight",
                .bias = "predictions.bias"}},
    {.architecture = "MPNetForSequenceClassification",
     .backbone = "MPNetModel",
     .kind = kSequence,
     .rows = RowChoice::kFirstToken,
     .dense = {.module = "classifier.dense", .activation = kTanh},
     .output = {.module = "classifier.out_proj"}},
    {.architecture = "MPNetForTokenClassification",
     .backbone = "MPNetModel",
     .kind = kToken,
     .output = {.module = "classifier"}},
    {.architecture = "MPNetForMaskedLM",
     .backbone = "MPNetModel",
     .kind = kLm,
     .dense = {.module = "lm_head.dense", .activation = kGelu},
     .norm = bert_norm("lm_head.layer_norm"),
     .output = {.module = "lm_head.decoder",
                .tied_table = "mpnet.embeddings.word_embeddings.weight",
                .bias = "lm_head.bias"}},
    {.architecture = "DebertaV2ForSequenceClassification",
     .backbone = "DebertaV2Model",
     .kind = kSequence,
     .rows = RowChoice::kFirstToken,
     .dense = {.module = "pooler.dense", .activation = kPoolerAct},
     .output = {.module = "classifier"}},
    {.architecture = "DebertaV2ForTokenClassification",
     .backbone = "DebertaV2Model",
     .kind = kToken,
     .output = {.module = "classifier"}},
    {.architecture = "DebertaV2ForMaskedLM",
     .backbone = "DebertaV2Model",
     .kind = kLm,
     .dense = {.module = "cls.predictions.transform.dense",
               .activation = kHiddenAct,
               .size_field = "embedding_size"},
     .norm = {.module = "cls.predictions.transform.LayerNorm",
              .epsilon_field = "layer_norm_eps",
              .epsilon = 1e-7f},
     .output = {.module = "cls.predictions.decoder",
                .tied_table = "deberta.embeddings.word_embeddings.weight",
                .bias = "cls.predictions.bias"}},
    {.architecture = "ModernBertForSequenceClassification",
     .backbone = "ModernBertModel",
     .kind = kSequence,
     .rows = RowChoice::kClassifierPooling,
     .classifier_pooling = "cls",
     .dense = {.module = "head.dense", .activation = kModernBertAct},
     .norm = {.module = "head.norm", .epsilon_field = "norm_eps", .epsilon = 1e-5f},
     .output = {.module = "classifier"}},
    {.architecture = "ModernBertForTokenClassification",
     .backbone = "ModernBertModel",
     .kind = kToken,
     .dense = {.module = "head.dense", .activation = kModernBertAct},
     .norm = {.module = "head.norm", .epsilon_field = "norm_eps", .epsilon = 1e-5f},
     .output = {.module = "classifier"}},
    {.architecture = "ModernBertForMaskedLM",
     .backbone = "ModernBertModel",
     .kind = kLm,
     .dense = {.module = "head.dense", .activation = kModernBertAct},
     .norm = {.module = "head.norm", .epsilon_field = "norm_eps", .epsilon = 1e-5f},
     .output = {.module = "decoder", .tied_table = "model.embeddings.tok_embeddings.weight"}},
    {.architecture = "EuroBertForSequenceClassification",
     .backbone = "EuroBertModel",
     .kind = kSequence,
     .rows = RowChoice::kClassifierPooling,
     .classifier_pooling = "late",
     .dense = {.module = "dense", .activation = kGelu},
     .output = {.module = "classifier"}},
    {.architecture = "EuroBertForTokenClassification",
     .backbone = "EuroBertModel",
     .kind = kToken,
     .output = {.module = "classifier"}},
    {.architecture = "EuroBertForMaskedLM",
     .backbone = "EuroBertModel",
     .kind = kLm,
     .output = {.module = "lm_head", .tied_table = "model.embed_tokens.weight"}},
    {.architecture = "GteForSequenceClassification",
     .backbone = "GteModel",
     .kind = kSequence,
     .rows = RowChoice::kFirstToken,
     .dense = {.module = "gte.pooler.dense", .activation = kTanh},
     .output = {.module = "classifier"}},
    {.architecture = "GteForTokenClassification",
     .backbone = "GteModel",
     .kind = kToken,
     .output = {.module = "classifier"}},
    {.architecture = "GteForMaskedLM",
     .backbone = "GteModel",
     .kind = kLm,
     .dense = {.module = "lm_head.dense", .activation = kGelu},
     .norm = bert_norm("lm_head.norm"),
     .output = {.module = "lm_head.decoder",
                .tied_table = "gte.embeddings.word_embeddings.weight"}},
    {.architecture = "NewForSequenceClassification",
     .backbone = "NewModel",
     .kind = kSequence,
     .rows = RowChoice::kFirstToken,
     .dense = {.module = "new.pooler.dense", .activation = kTanh},
     .output = {.module = "classifier"}},
    {.architecture = "NewForTokenClassification",
     .backbone = "NewModel",
     .kind = kToken,
     .output = {.module = "classifier"}},
};

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
