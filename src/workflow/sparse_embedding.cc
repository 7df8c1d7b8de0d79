#include "workflow/sparse_embedding.h"

#include "base/log.h"
#include "base/status.h"
#include "heads/vocabulary_head.h"
#include "pipeline/vector_answers.h"
#include "workflow/architecture.h"
#include "workflow/factories.h"
#include "workflow/settle.h"

namespace wde::workflow {
namespace {

// Floats of a batch's rows: each is as long as the vocabulary, and is there once for every batch in
// flight, on both sides of the device's bus.
constexpr int64_t kMaxOutputFloats = int64_t{8} << 20;

// Modules beside a SpladePooling have no meaning here; without modules.json sentence-transformers'
// SparseEncoder reads a masked language model as if it had one.
std::string refusal(const checkpoint::ModelFolder& folder) {
  if (!folder.modules.empty() &&
      !(has_module<checkpoint::SpladePoolingModule>(folder) && folder.modules.size() == 1)) {
    return "modules.json describes no SpladePooling after the Transformer";
  }
  return recipe_refusal(folder, heads::HeadKind::kMaskedLm);
}

Status settle_sparse(const EngineOptions& options, Settings* settings) {
  WDE_RETURN_IF_ERROR(refuse_vector_options(options, "sparse_embedding"));
  settings->output.tasks = {Task::kSparse, Task::kHidden};
  const int64_t rows = std::max<int64_t>(1, kMaxOutputFloats / settings->traits.vocab_size);
  if (settings->budget.max_requests > rows) {
    log::info("batches are limited to {} inputs instead of {}: an answer is a row of {} numbers",
              rows, settings->budget.max_requests, settings->traits.vocab_size);
    settings->budget.max_requests = rows;
  }
  return {};
}

Status load_vocabulary_head(const Settings& settings, layers::LoadContext& context,
                            execution::LoadedModel* loaded) {
  const heads::RecipeSource source = recipe_source(settings);
  WDE_ASSIGN_OR_RETURN(std::unique_ptr<heads::Head> head,
                       heads::VocabularyHead::load(context, source, settings.traits.vocab_size));
  loaded->tasks.push_back({.task = Task::kSparse, .parts = {loaded->add(std::move(head))}});
  return {};
}

std::unique_ptr<pipeline::OutputProcessor> make_output_processor(const Settings& settings,
                                                                 const tokenizer::Tokenizer&) {
  int logarithms = 1;
  for (const checkpoint::Module& module : settings.folder.modules) {
    const auto* splade = std::get_if<checkpoint::SpladePoolingModule>(&module);
    if (splade != nullptr && splade->second_logarithm) logarithms = 2;
  }
  return std::make_unique<pipeline::OutputProcessor>(std::vector<pipeline::TaskAnswers>{
      {Task::kSparse, std::make_shared<pipeline::VocabularyAnswers>(logarithms)},
      {Task::kHidden, std::make_shared<pipeline::TokenAnswers>()}});
}

}  // namespace

Manifest sparse_embedding() {
  Manifest manifest = common_slots();
  manifest.name = "sparse_embedding";
  manifest.description = "weights of the vocabulary's entries, by a masked language model (SPLADE)";
  manifest.tasks = {Task::kSparse, Task::kHidden};
  manifest.refusal = &refusal;
  manifest.settle = &settle_sparse;
  manifest.heads = &load_vocabulary_head;
  manifest.output_processor = &make_output_processor;
  return manifest;
}

}  // namespace wde::workflow
