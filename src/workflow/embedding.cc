#include "workflow/embedding.h"

#include <algorithm>
#include <limits>

#include "base/status.h"
#include "heads/embedding_head.h"
#include "pipeline/vector_answers.h"
#include "workflow/architecture.h"
#include "workflow/decoder_mask.h"
#include "workflow/factories.h"
#include "workflow/module_steps.h"
#include "workflow/own_vector.h"

namespace wde::workflow {
namespace {

std::string refusal(const checkpoint::ModelFolder& folder) {
  std::string refusal = embedding_refusal(folder);
  if (refusal.empty() && is_decoder(folder)) refusal = "the architecture is a decoder";
  return refusal;
}

Status set_pooling(const checkpoint::PoolingModule& pooling, Settings* settings) {
  const int64_t columns = pooling.embedding_dimension;
  if (columns > 0 && columns != settings->traits.hidden_size) {
    return data_loss_error("its Pooling takes vectors of {}, but the model's have {}", columns,
                           settings->traits.hidden_size);
  }
  settings->prompts.pool_prompt = pooling.include_prompt;
  for (const std::string& mode : pooling.modes) {
    WDE_ASSIGN_OR_RETURN(const ops::Pooling parsed, ops::parse_pooling(mode));
    settings->embedding_head.poolings.push_back(parsed);
  }
  return {};
}

// modules.json: a Pooling, then any of Dense, LayerNorm and Normalize.
Status read_modules(Settings* settings) {
  const std::vector<checkpoint::Module>& modules = settings->folder.modules;
  if (modules.empty()) return use_own_vector(settings);
  const auto* pooling = std::get_if<checkpoint::PoolingModule>(&modules.front());
  if (pooling == nullptr)
    return unsupported_error("modules.json: a Pooling module must follow the Transformer");
  WDE_RETURN_IF_ERROR(set_pooling(*pooling, settings));
  WDE_ASSIGN_OR_RETURN(settings->embedding_head.steps,
                       read_steps(std::span(modules).subspan(1), Features::kPooled));
  return {};
}

std::unique_ptr<pipeline::OutputProcessor> make_output_processor(const Settings&,
                                                                 const tokenizer::Tokenizer&) {
  return std::make_unique<pipeline::OutputProcessor>(std::vector<pipeline::TaskAnswers>{
      {Task::kEmbed, std::make_shared<pipeline::EmbeddingAnswers>()},
      {Task::kHidden, std::make_shared<pipeline::TokenAnswers>()}});
}

}  // namespace

std::string embedding_refusal(const checkpoint::ModelFolder& folder) {
  if (folder.input != checkpoint::InputModule::kTransformer) {
    return "modules.json describes a table, not a transformer";
  }
  if (folder.late_interaction) return "the folder's files describe a multi-vector model";
  if (has_module<checkpoint::SpladePoolingModule>(folder)) {
    return "modules.json describes a sparse encoder";
  }
  if (has_module<checkpoint::LogitScoreModule>(folder)) return "modules.json describes a reranker";
  const Result<Architecture> found = find_architecture(folder);
  return found.ok() ? std::string() : found.status().message();
}

Status settle_embedding(const EngineOptions& options, Settings* settings) {
  heads::EmbeddingHeadSpec& spec = settings->embedding_head;
  WDE_RETURN_IF_ERROR(read_modules(settings).with_context(settings->folder.path));
  if (!options.pooling.empty()) {
    Result<ops::Pooling> pooling = ops::parse_pooling(options.pooling);
    if (!pooling.ok()) return pooling.status().with_context("--pooling");
    spec.poolings = {*pooling};
  }
  // The last Normalize is the output processor's, so that a request can say otherwise.
  bool normalize = false;
  while (!spec.steps.empty() && std::holds_alternative<heads::NormalizeStep>(spec.steps.back())) {
    normalize = true;
    spec.steps.pop_back();
  }
  settings->output.tasks = {Task::kEmbed, Task::kHidden};
  settings->output.embedding_size = static_cast<int>(
      std::min(spec.columns(settings->traits.hidden_size),
               settings->folder.truncate_dim.value_or(std::numeric_limits<int>::max())));
  settings->output.normalize = options.normalize.value_or(normalize);
  return {};
}

Result<const heads::Head*> load_embedding_head(const Settings& settings,
                                               layers::LoadContext& context,
                                               execution::LoadedModel* loaded) {
  WDE_ASSIGN_OR_RETURN(
      std::unique_ptr<heads::Head> head,
      heads::EmbeddingHead::load(context, settings.embedding_head, settings.traits.hidden_size));
  return loaded->add(std::move(head));
}

Manifest embedding() {
  Manifest manifest = common_slots();
  manifest.name = "embedding";
  manifest.description = "one vector a text, by the pooling and modules of sentence-transformers";
  manifest.tasks = {Task::kEmbed, Task::kHidden};
  manifest.refusal = &refusal;
  manifest.settle = &settle_embedding;
  manifest.heads = [](const Settings& settings, layers::LoadContext& context,
                      execution::LoadedModel* loaded) -> Status {
    WDE_ASSIGN_OR_RETURN(const heads::Head* head, load_embedding_head(settings, context, loaded));
    loaded->tasks.push_back({.task = Task::kEmbed, .parts = {head}});
    return {};
  };
  manifest.output_processor = &make_output_processor;
  return manifest;
}

}  // namespace wde::workflow
