// The worked example of docs/adding-a-workflow.md: embeddings by a head of one's own, for folders
// whose config.json asks for it.
#pragma once

#include <utility>

#include "base/status.h"
#include "heads/example_head.h"
#include "pipeline/vector_answers.h"
#include "workflow/architecture.h"
#include "workflow/factories.h"
#include "workflow/settle.h"

namespace wde::workflow::example {

inline std::string refusal(const checkpoint::ModelFolder& folder) {
  const auto pooling = json::get_string(folder.config, "example_pooling", "");
  if (!pooling.ok() || *pooling != "first_last") {
    return "config.json has no \"example_pooling\": \"first_last\"";
  }
  const Result<Architecture> found = find_architecture(folder);
  return found.ok() ? std::string() : found.status().message();
}

inline Status settle_first_last(const EngineOptions& options, Settings* settings) {
  WDE_RETURN_IF_ERROR(refuse_vector_options(options, "first_last"));
  settings->output.tasks = {Task::kEmbed, Task::kHidden};
  settings->output.embedding_size = 2 * settings->traits.hidden_size;
  return {};
}

inline Status load_heads(const Settings& settings, layers::LoadContext&,
                         execution::LoadedModel* loaded) {
  const heads::Head* head =
      loaded->add(std::make_unique<heads::example::FirstLastHead>(settings.traits.hidden_size));
  loaded->tasks.push_back({.task = Task::kEmbed, .parts = {head}});
  return {};
}

inline std::unique_ptr<pipeline::OutputProcessor> make_output(const Settings&,
                                                              const tokenizer::Tokenizer&) {
  return std::make_unique<pipeline::OutputProcessor>(std::vector<pipeline::TaskAnswers>{
      {Task::kEmbed, std::make_shared<pipeline::EmbeddingAnswers>()},
      {Task::kHidden, std::make_shared<pipeline::TokenAnswers>()}});
}

inline Manifest first_last() {
  Manifest manifest = common_slots();
  manifest.name = "first_last";
  manifest.description = "a text's first and last token states, side by side";
  manifest.tasks = {Task::kEmbed, Task::kHidden};
  manifest.refusal = &refusal;
  manifest.settle = &settle_first_last;
  manifest.heads = &load_heads;
  manifest.output_processor = &make_output;
  return manifest;
}

}  // namespace wde::workflow::example
