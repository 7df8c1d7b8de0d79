#include "workflow/static_embedding.h"

#include "base/status.h"
#include "pipeline/static_request_processor.h"
#include "pipeline/vector_answers.h"
#include "workflow/embedding.h"
#include "workflow/factories.h"
#include "workflow/settle.h"

namespace wde::workflow {
namespace {

std::string refusal_unless(const checkpoint::ModelFolder& folder, checkpoint::InputModule input,
                           std::string_view module) {
  if (folder.input == input) return {};
  return fmt::format("modules.json does not begin with a {}", module);
}

std::string refuse_other_than_static(const checkpoint::ModelFolder& folder) {
  return refusal_unless(folder, checkpoint::InputModule::kStaticEmbedding, "StaticEmbedding");
}

std::string refuse_other_than_sparse(const checkpoint::ModelFolder& folder) {
  return refusal_unless(folder, checkpoint::InputModule::kSparseStaticEmbedding,
                        "SparseStaticEmbedding");
}

std::unique_ptr<pipeline::RequestProcessor> make_static_request_processor(
    const Settings& settings, std::shared_ptr<const tokenizer::Tokenizer> tokenizer) {
  return std::make_unique<pipeline::StaticRequestProcessor>(std::move(tokenizer), settings.limits,
                                                            settings.prompts);
}

Status settle_sparse(const EngineOptions& options, Settings* settings) {
  if (!settings->folder.modules.empty()) {
    return unsupported_error("{}: modules after a SparseStaticEmbedding are not supported",
                             settings->folder.path);
  }
  WDE_RETURN_IF_ERROR(refuse_vector_options(options, "static_sparse"));
  settings->output.tasks = {Task::kSparse};
  return {};
}

// A row is one weight, so the last hidden states' head gives a weight a token.
Status load_weights(const Settings&, layers::LoadContext&, execution::LoadedModel* loaded) {
  loaded->tasks.push_back({.task = Task::kSparse, .parts = loaded->parts(Task::kHidden)});
  return {};
}

std::unique_ptr<pipeline::OutputProcessor> make_output_processor(const Settings&,
                                                                 const tokenizer::Tokenizer&) {
  return std::make_unique<pipeline::OutputProcessor>(std::vector<pipeline::TaskAnswers>{
      {Task::kSparse, std::make_shared<pipeline::TokenWeightAnswers>(std::vector<int32_t>())}});
}

}  // namespace

Manifest static_embedding() {
  Manifest manifest = embedding();
  manifest.name = "static_embedding";
  manifest.description = "the mean of a table's rows: model2vec, StaticEmbedding";
  manifest.refusal = &refuse_other_than_static;
  manifest.request_processor = &make_static_request_processor;
  return manifest;
}

Manifest static_sparse() {
  Manifest manifest = common_slots();
  manifest.name = "static_sparse";
  manifest.description = "a weight for each token from a table: IDF query encoders";
  manifest.tasks = {Task::kSparse};
  manifest.refusal = &refuse_other_than_sparse;
  manifest.settle = &settle_sparse;
  manifest.request_processor = &make_static_request_processor;
  manifest.heads = &load_weights;
  manifest.output_processor = &make_output_processor;
  return manifest;
}

}  // namespace wde::workflow
