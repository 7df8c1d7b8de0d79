#include "workflow/hybrid.h"

#include "base/file.h"
#include "base/status.h"
#include "checkpoint/torch_file.h"
#include "heads/token_vector_head.h"
#include "pipeline/multi_vector_request_processor.h"
#include "pipeline/vector_answers.h"
#include "workflow/architecture.h"
#include "workflow/embedding.h"
#include "workflow/factories.h"
#include "workflow/special_tokens.h"

namespace wde::workflow {
namespace {

constexpr const char* kSparseFile = "/sparse_linear.pt";
constexpr const char* kTokenFile = "/colbert_linear.pt";

std::string refusal(const checkpoint::ModelFolder& folder) {
  for (const char* file : {kSparseFile, kTokenFile}) {
    if (!file_exists(folder.path + file)) return fmt::format("the folder has no {}", file + 1);
  }
  const Result<Architecture> found = find_architecture(folder);
  return found.ok() ? std::string() : found.status().message();
}

Status settle_hybrid(const EngineOptions& options, Settings* settings) {
  WDE_RETURN_IF_ERROR(settle_embedding(options, settings));
  settings->output.tasks = {Task::kHybrid, Task::kEmbed, Task::kSparse, Task::kMultiVector,
                            Task::kHidden};
  return {};
}

// A torch.nn.Linear's state dict in a file of its own, under its names "weight" and "bias"; as many
// outputs as it has where `outputs` is 0.
Result<std::unique_ptr<heads::Head>> load_linear(const Settings& settings,
                                                 layers::LoadContext& context,
                                                 const std::string& path, int64_t outputs) {
  WDE_ASSIGN_OR_RETURN(const auto weights, checkpoint::open_torch_file(path));
  if (outputs == 0) {
    WDE_ASSIGN_OR_RETURN(const TensorView weight, weights->tensor("weight"));
    outputs = weight.rows();
  }
  const bool weighs = outputs == 1;  // weights of tokens are not below 0, vectors have length 1
  std::vector<heads::Step> steps = {
      heads::DenseStep{.in_features = settings.traits.hidden_size,
                       .out_features = outputs,
                       .activation = weighs ? ops::Activation::kRelu : ops::Activation::kNone,
                       .weights = weights.get(),
                       .name = ""}};
  if (!weighs) steps.emplace_back(heads::NormalizeStep{});
  auto head = heads::TokenVectorHead::load(context, steps, settings.traits.hidden_size);
  if (!head.ok()) return head.status().with_context(path);
  return head;
}

Status load_heads(const Settings& settings, layers::LoadContext& context,
                  execution::LoadedModel* loaded) {
  WDE_ASSIGN_OR_RETURN(const heads::Head* dense, load_embedding_head(settings, context, loaded));
  const std::string& folder = settings.folder.path;
  WDE_ASSIGN_OR_RETURN(std::unique_ptr<heads::Head> sparse,
                       load_linear(settings, context, folder + kSparseFile, 1));
  WDE_ASSIGN_OR_RETURN(std::unique_ptr<heads::Head> tokens,
                       load_linear(settings, context, folder + kTokenFile, 0));
  const heads::Head* weights = loaded->add(std::move(sparse));
  const heads::Head* vectors = loaded->add(std::move(tokens));
  loaded->tasks.push_back({.task = Task::kEmbed, .parts = {dense}});
  loaded->tasks.push_back({.task = Task::kSparse, .parts = {weights}});
  loaded->tasks.push_back({.task = Task::kMultiVector, .parts = {vectors}});
  loaded->tasks.push_back({.task = Task::kHybrid, .parts = {dense, weights, vectors}});
  return {};
}

// bge-m3's multi-vector is that of every token but the first.
std::unique_ptr<pipeline::RequestProcessor> make_m3_request_processor(
    const Settings& settings, std::shared_ptr<const tokenizer::Tokenizer> tokenizer) {
  return std::make_unique<pipeline::MultiVectorRequestProcessor>(
      std::move(tokenizer), settings.limits, settings.prompts,
      pipeline::MultiVectorPolicy{.skips_first = true});
}

// What FlagEmbedding leaves out of sparse vectors: tokens that stand for no text.
std::vector<int32_t> special_ids(const Settings& settings, const tokenizer::Tokenizer& tokenizer) {
  std::vector<int32_t> ids;
  for (const char* role : {"cls_token", "eos_token", "pad_token", "unk_token"}) {
    const auto id = special_token_id(settings.folder.tokenizer_path, role, tokenizer);
    if (id) ids.push_back(*id);
  }
  return ids;
}

std::unique_ptr<pipeline::OutputProcessor> make_output_processor(
    const Settings& settings, const tokenizer::Tokenizer& tokenizer) {
  const std::vector<int32_t> dropped = special_ids(settings, tokenizer);
  return std::make_unique<pipeline::OutputProcessor>(std::vector<pipeline::TaskAnswers>{
      {Task::kHybrid, std::make_shared<pipeline::HybridAnswers>(dropped)},
      {Task::kEmbed, std::make_shared<pipeline::EmbeddingAnswers>()},
      {Task::kSparse, std::make_shared<pipeline::TokenWeightAnswers>(dropped)},
      {Task::kMultiVector, std::make_shared<pipeline::TokenAnswers>()},
      {Task::kHidden, std::make_shared<pipeline::TokenAnswers>()}});
}

}  // namespace

Manifest hybrid() {
  Manifest manifest = common_slots();
  manifest.name = "hybrid";
  manifest.description = "a dense vector, token weights and a multi-vector from one pass (bge-m3)";
  manifest.tasks = {Task::kHybrid, Task::kEmbed, Task::kSparse, Task::kMultiVector, Task::kHidden};
  manifest.refusal = &refusal;
  manifest.settle = &settle_hybrid;
  manifest.request_processor = &make_m3_request_processor;
  manifest.heads = &load_heads;
  manifest.output_processor = &make_output_processor;
  return manifest;
}

}  // namespace wde::workflow
