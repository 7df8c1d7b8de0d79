#include "workflow/llm_reranker.h"

#include <cmath>

#include "base/status.h"
#include "heads/token_logits_head.h"
#include "pipeline/score_answers.h"
#include "pipeline/template_request_processor.h"
#include "pipeline/vector_answers.h"
#include "workflow/architecture.h"
#include "workflow/factories.h"
#include "workflow/labels.h"
#include "workflow/rerank_template.h"
#include "workflow/settle.h"

namespace wde::workflow {
namespace {

std::string refusal(const checkpoint::ModelFolder& folder) {
  if (!folder.modules.empty() &&
      !(has_module<checkpoint::LogitScoreModule>(folder) && folder.modules.size() == 1)) {
    return "modules.json describes no LogitScore after the Transformer";
  }
  return recipe_refusal(folder, heads::HeadKind::kCausalLm);
}

// "final_logit_softcapping" of Gemma 2 and 3; 0 for none.
Result<float> read_logit_cap(const Settings& settings) {
  const json::value* cap = settings.folder.config.if_contains("final_logit_softcapping");
  const bool gemma2 = settings.architecture->architecture == "Gemma2Model";
  if (cap == nullptr) return gemma2 ? 30.0f : 0.0f;  // its class's default
  WDE_ASSIGN_OR_RETURN(const double value,
                       json::get_double(settings.folder.config, "final_logit_softcapping", 0));
  if (!(value >= 0)) return data_loss_error("\"final_logit_softcapping\" is {}", value);
  return static_cast<float>(value);
}

Status settle_rerank(const EngineOptions& options, Settings* settings) {
  WDE_RETURN_IF_ERROR(refuse_vector_options(options, "llm_reranker"));
  settings->output.tasks = {Task::kRerank, Task::kHidden};
  WDE_ASSIGN_OR_RETURN(settings->output.rerank_scores, read_rerank_scores(settings->folder));
  WDE_ASSIGN_OR_RETURN(settings->output.logit_cap, read_logit_cap(*settings));
  WDE_ASSIGN_OR_RETURN(pipeline::PairTemplate pair_template, read_pair_template(*settings));
  settings->pair_template =
      std::make_shared<const pipeline::PairTemplate>(std::move(pair_template));
  WDE_ASSIGN_OR_RETURN(settings->tokenizer, make_tokenizer(*settings));
  WDE_ASSIGN_OR_RETURN(settings->answer_tokens,
                       find_answer_tokens(*settings, *settings->tokenizer));
  return {};
}

Status load_token_logits(const Settings& settings, layers::LoadContext& context,
                         execution::LoadedModel* loaded) {
  const heads::RecipeSource source = recipe_source(settings);
  WDE_ASSIGN_OR_RETURN(std::unique_ptr<heads::Head> head,
                       heads::TokenLogitsHead::load(context, source, settings.traits.vocab_size,
                                                    settings.answer_tokens));
  loaded->tasks.push_back({.task = Task::kRerank, .parts = {loaded->add(std::move(head))}});
  return {};
}

std::unique_ptr<pipeline::RequestProcessor> make_template_processor(
    const Settings& settings, std::shared_ptr<const tokenizer::Tokenizer> tokenizer) {
  return std::make_unique<pipeline::TemplateRequestProcessor>(
      std::move(tokenizer), settings.limits, settings.prompts, *settings.pair_template);
}

std::unique_ptr<pipeline::OutputProcessor> make_output_processor(const Settings& settings,
                                                                 const tokenizer::Tokenizer&) {
  return std::make_unique<pipeline::OutputProcessor>(std::vector<pipeline::TaskAnswers>{
      {Task::kRerank, std::make_shared<pipeline::TokenScoreAnswers>(settings.output.rerank_scores,
                                                                    settings.output.logit_cap)},
      {Task::kHidden, std::make_shared<pipeline::TokenAnswers>()}});
}

}  // namespace

Manifest llm_reranker() {
  Manifest manifest = common_slots();
  manifest.name = "llm_reranker";
  manifest.description = "how well a text answers a query, by a language model's yes and no";
  manifest.tasks = {Task::kRerank, Task::kHidden};
  manifest.refusal = &refusal;
  manifest.settle = &settle_rerank;
  manifest.request_processor = &make_template_processor;
  manifest.heads = &load_token_logits;
  manifest.output_processor = &make_output_processor;
  manifest.own_options = OwnOptions::kRerankTemplate;
  return manifest;
}

}  // namespace wde::workflow
