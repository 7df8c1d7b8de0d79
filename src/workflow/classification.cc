#include "workflow/classification.h"

#include "base/status.h"
#include "heads/logits_head.h"
#include "pipeline/score_answers.h"
#include "pipeline/span_answers.h"
#include "pipeline/span_request_processor.h"
#include "pipeline/step_answers.h"
#include "pipeline/vector_answers.h"
#include "workflow/architecture.h"
#include "workflow/factories.h"
#include "workflow/labels.h"
#include "workflow/settle.h"
#include "workflow/special_tokens.h"

namespace wde::workflow {
namespace {

using Makers = std::vector<pipeline::TaskAnswers>;

// Labels that the config can't tell are the settings' to complain of.
bool has_one_label(const checkpoint::ModelFolder& folder) {
  const auto found = find_architecture(folder);
  if (found.ok() && found->recipe != nullptr && found->recipe->rewards > 0)
    return found->recipe->rewards == 1;
  const auto labels = read_labels(folder.config);
  return labels.ok() && labels->size() == 1;
}

// The config's labels; of a reward model, as many as it has rewards.
Result<std::vector<std::string>> labels_of(const Settings& settings) {
  auto labels = read_labels(settings.folder.config);
  const auto rewards = static_cast<size_t>(settings.recipe->rewards);
  if (rewards == 0 || (labels.ok() && labels->size() == rewards)) return labels;
  std::vector<std::string> names;
  for (size_t i = 0; i < rewards; ++i) names.push_back(fmt::format("LABEL_{}", i));
  return names;
}

Status settle_labels(const Settings& settings, pipeline::OutputPolicy* output) {
  WDE_ASSIGN_OR_RETURN(output->labels, labels_of(settings));
  if (settings.recipe->rewards > 0) {
    output->classify_scores = pipeline::ScoreFunction::kIdentity;
    return {};
  }
  WDE_ASSIGN_OR_RETURN(output->classify_scores,
                       read_classify_scores(settings.folder.config, output->labels.size()));
  return {};
}

Status settle_sequences(const EngineOptions& options, Settings* settings) {
  WDE_RETURN_IF_ERROR(refuse_vector_options(options, "sequence_classification"));
  settings->output.tasks = {Task::kClassify, Task::kHidden};
  return settle_labels(*settings, &settings->output)
      .with_context(settings->folder.transformer_path + "/config.json");
}

Status settle_pairs(const EngineOptions& options, Settings* settings) {
  WDE_RETURN_IF_ERROR(refuse_vector_options(options, "cross_encoder"));
  WDE_RETURN_IF_ERROR(settle_sequences(options, settings));
  settings->output.tasks = {Task::kRerank, Task::kClassify, Task::kHidden};
  if (settings->recipe->rewards > 0) {
    settings->output.rerank_scores = pipeline::ScoreFunction::kIdentity;
    return {};
  }
  WDE_ASSIGN_OR_RETURN(settings->output.rerank_scores, read_rerank_scores(settings->folder));
  return {};
}

Status settle_tokens(const EngineOptions& options, Settings* settings) {
  WDE_RETURN_IF_ERROR(refuse_vector_options(options, "token_classification"));
  settings->output.tasks = {Task::kClassifyTokens, Task::kHidden};
  WDE_ASSIGN_OR_RETURN(settings->output.labels, labels_of(*settings));
  return {};
}

constexpr const char* kStepToken = "<extra_0>";  // as Qwen2.5-Math's reward models are trained

Status settle_steps(const EngineOptions& options, Settings* settings) {
  WDE_RETURN_IF_ERROR(settle_tokens(options, settings));
  const bool chosen = !options.step_token.empty();
  const std::string token = chosen ? options.step_token : kStepToken;
  settings->output.joins_tokens = false;
  WDE_ASSIGN_OR_RETURN(settings->tokenizer, make_tokenizer(*settings));
  const auto id = settings->tokenizer->token_to_id(token);
  if (!id && chosen)
    return invalid_argument_error("--step-token: \"{}\" is no token of the vocabulary", token);
  if (!id) {
    return unsupported_error("the vocabulary has no {}; --step-token says what ends a step", token);
  }
  settings->step_token = *id;
  return {};
}

// One head for all tasks but kHidden.
Status load_logits_head(const Settings& settings, layers::LoadContext& context,
                        execution::LoadedModel* loaded) {
  const heads::RecipeSource source = recipe_source(settings);
  WDE_ASSIGN_OR_RETURN(std::unique_ptr<heads::Head> head,
                       heads::LogitsHead::load(
                           context, source, static_cast<int64_t>(settings.output.labels.size())));
  const heads::Head* logits = loaded->add(std::move(head));
  for (const Task task : settings.output.tasks) {
    if (task != Task::kHidden) loaded->tasks.push_back({.task = task, .parts = {logits}});
  }
  return {};
}

std::unique_ptr<pipeline::OutputProcessor> make_score_output(const Settings& settings,
                                                             const tokenizer::Tokenizer&) {
  const pipeline::OutputPolicy& output = settings.output;
  Makers makers = {{Task::kHidden, std::make_shared<pipeline::TokenAnswers>()},
                   {Task::kRerank, std::make_shared<pipeline::RerankAnswers>(output.rerank_scores)},
                   {Task::kClassify, std::make_shared<pipeline::ClassifyAnswers>(
                                         output.labels, output.classify_scores)}};
  return std::make_unique<pipeline::OutputProcessor>(std::move(makers));
}

std::unique_ptr<pipeline::OutputProcessor> make_span_output(const Settings& settings,
                                                            const tokenizer::Tokenizer&) {
  Makers makers = {
      {Task::kHidden, std::make_shared<pipeline::TokenAnswers>()},
      {Task::kClassifyTokens, std::make_shared<pipeline::SpanAnswers>(settings.output.labels)}};
  return std::make_unique<pipeline::OutputProcessor>(std::move(makers));
}

std::unique_ptr<pipeline::OutputProcessor> make_step_output(const Settings& settings,
                                                            const tokenizer::Tokenizer&) {
  Makers makers = {{Task::kHidden, std::make_shared<pipeline::TokenAnswers>()},
                   {Task::kClassifyTokens, std::make_shared<pipeline::StepAnswers>(
                                               settings.output.labels, settings.step_token)}};
  return std::make_unique<pipeline::OutputProcessor>(std::move(makers));
}

std::unique_ptr<pipeline::RequestProcessor> make_span_request_processor(
    const Settings& settings, std::shared_ptr<const tokenizer::Tokenizer> tokenizer) {
  const std::optional<int32_t> unknown =
      special_token_id(settings.folder.tokenizer_path, "unk_token", *tokenizer);
  return std::make_unique<pipeline::SpanRequestProcessor>(std::move(tokenizer), settings.limits,
                                                          settings.prompts, unknown);
}

}  // namespace

Manifest cross_encoder() {
  Manifest manifest = common_slots();
  manifest.name = "cross_encoder";
  manifest.description = "how well a text answers a query: rerankers, any classifier of one label";
  manifest.tasks = {Task::kRerank, Task::kClassify, Task::kHidden};
  manifest.refusal = [](const checkpoint::ModelFolder& folder) {
    std::string refusal = recipe_refusal(folder, heads::HeadKind::kSequenceClassification);
    if (refusal.empty() && !has_one_label(folder)) refusal = "\"id2label\" names several labels";
    return refusal;
  };
  manifest.settle = &settle_pairs;
  manifest.heads = &load_logits_head;
  manifest.output_processor = &make_score_output;
  return manifest;
}

Manifest sequence_classification() {
  Manifest manifest = common_slots();
  manifest.name = "sequence_classification";
  manifest.description = "a score for each label of a text or a pair of texts";
  manifest.tasks = {Task::kClassify, Task::kHidden};
  manifest.refusal = [](const checkpoint::ModelFolder& folder) {
    return recipe_refusal(folder, heads::HeadKind::kSequenceClassification);
  };
  manifest.settle = &settle_sequences;
  manifest.heads = &load_logits_head;
  manifest.output_processor = &make_score_output;
  return manifest;
}

Manifest token_classification() {
  Manifest manifest = common_slots();
  manifest.name = "token_classification";
  manifest.description = "labelled spans of a text: names, places, personal data";
  manifest.tasks = {Task::kClassifyTokens, Task::kHidden};
  manifest.refusal = [](const checkpoint::ModelFolder& folder) {
    return recipe_refusal(folder, heads::HeadKind::kTokenClassification);
  };
  manifest.settle = &settle_tokens;
  manifest.request_processor = &make_span_request_processor;
  manifest.heads = &load_logits_head;
  manifest.output_processor = &make_span_output;
  return manifest;
}

Manifest process_reward() {
  Manifest manifest = token_classification();
  manifest.name = "process_reward";
  manifest.description = "a score for each step of a solution: process reward models";
  manifest.own_options = OwnOptions::kStepToken;
  manifest.refusal = [](const checkpoint::ModelFolder& folder) {
    return recipe_refusal(folder, heads::HeadKind::kProcessReward);
  };
  manifest.settle = &settle_steps;
  manifest.output_processor = &make_step_output;
  return manifest;
}

}  // namespace wde::workflow
