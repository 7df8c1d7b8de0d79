#include "workflow/multi_vector.h"

#include "base/status.h"
#include "heads/token_vector_head.h"
#include "pipeline/multi_vector_request_processor.h"
#include "pipeline/vector_answers.h"
#include "workflow/architecture.h"
#include "workflow/factories.h"
#include "workflow/module_steps.h"
#include "workflow/settle.h"
#include "workflow/special_tokens.h"

namespace wde::workflow {
namespace {

std::string refusal(const checkpoint::ModelFolder& folder) {
  if (!folder.late_interaction) {
    return "neither artifact.metadata nor a MultiVectorMask nor a \"model_type\" describes a "
           "multi-vector model";
  }
  const Result<Architecture> found = find_architecture(folder);
  return found.ok() ? std::string() : found.status().message();
}

// Tokens that nothing attends to must still see a key: the first of the text, which a window of
// ModernBERT's size reaches from here.
constexpr int64_t kMaxUnattendedLength = 64;

Status settle_multi_vector(const EngineOptions& options, Settings* settings) {
  WDE_RETURN_IF_ERROR(refuse_vector_options(options, "multi_vector"));
  settings->output.tasks = {Task::kMultiVector, Task::kHidden};
  const auto& expansion = settings->folder.late_interaction->expansion;
  if (expansion && !expansion->attended && expansion->length > kMaxUnattendedLength) {
    return unsupported_error(
        "queries of {} tokens, filled up with some that are not attended to; up to {} are "
        "supported",
        expansion->length, kMaxUnattendedLength);
  }
  return {};
}

// The projection, from the module files or from the checkpoint itself, and the norm.
Result<std::vector<heads::Step>> read_projection(const Settings& settings) {
  const checkpoint::ModelFolder& folder = settings.folder;
  WDE_ASSIGN_OR_RETURN(std::vector<heads::Step> steps,
                       read_steps(folder.modules, Features::kTokens));
  if (folder.modules.empty() && folder.weights->has("linear.weight")) {
    WDE_ASSIGN_OR_RETURN(const TensorView weight, folder.weights->tensor("linear.weight"));
    steps.emplace_back(heads::DenseStep{.in_features = settings.traits.hidden_size,
                                        .out_features = weight.rows(),
                                        .bias = false,
                                        .weights = folder.weights.get()});
  }
  if (folder.late_interaction->normalized) steps.emplace_back(heads::NormalizeStep{});
  return steps;
}

Status load_heads(const Settings& settings, layers::LoadContext& context,
                  execution::LoadedModel* loaded) {
  WDE_ASSIGN_OR_RETURN(const std::vector<heads::Step> steps, read_projection(settings));
  WDE_ASSIGN_OR_RETURN(std::unique_ptr<heads::Head> head,
                       heads::TokenVectorHead::load(context, steps, settings.traits.hidden_size));
  loaded->tasks.push_back({.task = Task::kMultiVector, .parts = {loaded->add(std::move(head))}});
  return {};
}

// The token that a marker is: the whole of it ("[Q] "), or its first word ("[unused0] "); nothing
// where the vocabulary has neither, so that it is text.
std::optional<int32_t> marker_id(const std::string& marker, const tokenizer::Tokenizer& tokenizer) {
  if (marker.empty()) return std::nullopt;
  if (const auto id = tokenizer.token_to_id(marker)) return id;
  return tokenizer.token_to_id(marker.substr(0, marker.find(' ')));
}

std::vector<int32_t> ids_of(const std::vector<std::string>& words,
                            const tokenizer::Tokenizer& tokenizer) {
  std::vector<int32_t> ids;
  for (const std::string& word : words) {
    if (const auto id = tokenizer.token_to_id(word)) ids.push_back(*id);
  }
  std::sort(ids.begin(), ids.end());
  return ids;
}

pipeline::MultiVectorPolicy make_policy(const Settings& settings,
                                        const tokenizer::Tokenizer& tokenizer) {
  const checkpoint::LateInteraction& read = *settings.folder.late_interaction;
  const auto tokens = [](std::optional<int64_t> length) {
    return static_cast<int>(length.value_or(0));
  };
  const std::vector<int32_t> skipped = ids_of(read.skipped_words, tokenizer);
  pipeline::MultiVectorPolicy policy;
  policy.query = {.marker = marker_id(read.query_marker, tokenizer),
                  .max_length = tokens(read.query_length)};
  policy.document = {.marker = marker_id(read.document_marker, tokenizer),
                     .max_length = tokens(read.document_length)};
  if (read.skip_in_queries) policy.query.skipped_ids = skipped;
  if (read.skip_in_documents) policy.document.skipped_ids = skipped;
  if (!read.expansion) return policy;
  const auto mask = read.expansion->token.empty()
                        ? special_token_id(settings.folder.tokenizer_path, "mask_token", tokenizer)
                        : tokenizer.token_to_id(read.expansion->token);
  if (!mask) return policy;
  policy.expansion = {.token = *mask,
                      .length = static_cast<int>(read.expansion->length),
                      .attended = read.expansion->attended};
  if (read.expansion->cut) policy.query.max_length = policy.expansion->length;
  return policy;
}

// Markers that are no tokens are put before the prompts, as text.
pipeline::PromptPolicy make_prompts(const Settings& settings,
                                    const pipeline::MultiVectorPolicy& policy) {
  const checkpoint::LateInteraction& read = *settings.folder.late_interaction;
  pipeline::PromptPolicy prompts = settings.prompts;
  const auto add = [&](const std::string& name, const std::string& marker, bool is_token) {
    std::string& prompt = prompts.prompts[name];
    if (prompt.starts_with(marker)) prompt.erase(0, marker.size());
    if (!is_token) prompt = marker + prompt;
  };
  add("query", read.query_marker, policy.query.marker.has_value());
  add("document", read.document_marker, policy.document.marker.has_value());
  // A request without a prompt's name is a document.
  if (prompts.default_name.empty() && prompts.default_prompt.empty()) {
    prompts.default_name = "document";
  }
  if (!prompts.default_name.empty()) {
    prompts.default_prompt = prompts.prompts.at(prompts.default_name);
  }
  return prompts;
}

std::unique_ptr<pipeline::RequestProcessor> make_colbert_request_processor(
    const Settings& settings, std::shared_ptr<const tokenizer::Tokenizer> tokenizer) {
  pipeline::MultiVectorPolicy policy = make_policy(settings, *tokenizer);
  pipeline::PromptPolicy prompts = make_prompts(settings, policy);
  return std::make_unique<pipeline::MultiVectorRequestProcessor>(
      std::move(tokenizer), settings.limits, std::move(prompts), std::move(policy));
}

std::unique_ptr<pipeline::OutputProcessor> make_output_processor(const Settings&,
                                                                 const tokenizer::Tokenizer&) {
  return std::make_unique<pipeline::OutputProcessor>(std::vector<pipeline::TaskAnswers>{
      {Task::kMultiVector, std::make_shared<pipeline::TokenAnswers>()},
      {Task::kHidden, std::make_shared<pipeline::TokenAnswers>()}});
}

}  // namespace

Manifest multi_vector() {
  Manifest manifest = common_slots();
  manifest.name = "multi_vector";
  manifest.description = "a vector for every token, for late interaction (ColBERT)";
  manifest.tasks = {Task::kMultiVector, Task::kHidden};
  manifest.refusal = &refusal;
  manifest.settle = &settle_multi_vector;
  manifest.request_processor = &make_colbert_request_processor;
  manifest.heads = &load_heads;
  manifest.output_processor = &make_output_processor;
  return manifest;
}

}  // namespace wde::workflow
