// Which workflow a folder gets, and what its labels come to.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/paths.h"
#include "workflow/labels.h"
#include "workflow/workflow.h"

namespace wde::workflow {
namespace {

using pipeline::ScoreFunction;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

std::string chosen(const std::string& model, EngineOptions options = {}) {
  const auto folder = checkpoint::read_model_folder(test::fixture(model), {.weights = false});
  EXPECT_TRUE(folder.ok()) << folder.status().message();
  if (!folder.ok()) return {};
  const auto manifest = choose_manifest(*folder, options);
  return manifest.ok() ? std::string((*manifest)->name) : manifest.status().message();
}

TEST(ChooseManifest, ByTheFoldersFields) {
  EXPECT_EQ(chosen("models/mean_normalize"), "embedding");
  EXPECT_EQ(chosen("models/plain_vocab_txt"), "embedding");
  EXPECT_EQ(chosen("task_models/bert_rerank"), "cross_encoder");
  EXPECT_EQ(chosen("task_models/bert_softmax"), "sequence_classification");
  EXPECT_EQ(chosen("task_models/bert_tokens"), "token_classification");
  EXPECT_EQ(chosen("task_models/bert_sparse_twice"), "sparse_embedding");
  EXPECT_EQ(chosen("task_models/colbert_stanford"), "multi_vector");
  EXPECT_EQ(chosen("task_models/colbert_pylate"), "multi_vector");
  EXPECT_EQ(chosen("task_models/colbert_native"), "multi_vector");
  EXPECT_EQ(chosen("task_models/bge_m3"), "hybrid");
}

TEST(ChooseManifest, TheTaskPassesOverWhatDoesNotServeIt) {
  EngineOptions options;
  // A masked language model without module files is an embedder, unless it is asked for weights.
  EXPECT_EQ(chosen("task_models/bert_sparse"), "embedding");
  options.task = Task::kSparse;
  EXPECT_EQ(chosen("task_models/bert_sparse", options), "sparse_embedding");
  options.task = Task::kEmbed;
  EXPECT_EQ(chosen("task_models/bert_rerank", options), "embedding");
  options.task = Task::kClassify;
  EXPECT_THAT(chosen("models/mean_normalize", options), HasSubstr("it serves: embed, hidden"));
  options.workflow = "embedding";
  EXPECT_THAT(chosen("task_models/bert_softmax", options), HasSubstr("does not serve"));
}

TEST(ChooseManifest, DecodersByTheirMaskAndTheirHead) {
  EXPECT_EQ(chosen("models/llama"), "decoder_embedding");
  EXPECT_EQ(chosen("models/llama_bidirectional"), "bidirectional_embedding");
  EXPECT_EQ(chosen("models/embedding_gemma"), "bidirectional_embedding");
  EXPECT_EQ(chosen("models/eurobert"), "embedding");
  EXPECT_EQ(chosen("task_models/llama_rerank"), "cross_encoder");
  EXPECT_EQ(chosen("task_models/qwen2_reward"), "cross_encoder");
  EXPECT_EQ(chosen("task_models/qwen2_process_reward"), "process_reward");
  EXPECT_EQ(chosen("task_models/qwen3_yes_no"), "llm_reranker");
  // A language model without module files is an embedder, unless it is asked to rerank.
  EXPECT_EQ(chosen("task_models/llama_yes_no"), "decoder_embedding");
  EXPECT_EQ(chosen("task_models/llama_yes_no", {.task = Task::kRerank}), "llm_reranker");
}

Status refusal(std::vector<std::string> architectures, const EngineOptions& options) {
  auto folder =
      checkpoint::read_model_folder(test::fixture("models/mean_normalize"), {.weights = false});
  EXPECT_TRUE(folder.ok()) << folder.status().message();
  if (!folder.ok()) return folder.status();
  folder->architectures = std::move(architectures);
  return choose_manifest(*folder, options).status();
}

TEST(ChooseManifest, AnArchitectureThatNobodyServesIsNamedOnceWithTheNearest) {
  const Status status = refusal({"BertForSequenceClassificatoin"}, {});
  EXPECT_EQ(status.code(), StatusCode::kUnsupported);
  EXPECT_THAT(status.message(), HasSubstr("BertForSequenceClassificatoin is not supported; the "
                                          "nearest: BertForSequenceClassification, "));
  EXPECT_THAT(status.message(), HasSubstr("see: wde list"));
  EXPECT_LT(status.message().size(), 500u);
  EXPECT_THAT(refusal({"Nothing"}, {}).message(), Not(HasSubstr("nearest")));
  EXPECT_THAT(refusal({}, {}).message(), HasSubstr("names no \"architectures\""));
}

TEST(ChooseManifest, AWorkflowThatIsForcedAndCantServeIsAWrongFlag) {
  const Status wrong = refusal({"BertModel"}, {.workflow = "hybrid"});
  EXPECT_EQ(wrong.code(), StatusCode::kInvalidArgument);
  EXPECT_THAT(wrong.message(), HasSubstr("--workflow hybrid: the folder has no sparse_linear.pt"));
  const Status unknown = refusal({"BertModel"}, {.workflow = "nosuch"});
  EXPECT_EQ(unknown.code(), StatusCode::kInvalidArgument);
  EXPECT_THAT(unknown.message(), HasSubstr("unknown workflow \"nosuch\"; there are: hybrid, "));
}

json::object config(const char* text) { return json::parse(text)->as_object(); }

TEST(Labels, InTheOrderOfTheirIds) {
  EXPECT_THAT(*read_labels(config(R"({"id2label":{"1":"b","0":"a"}})")), ElementsAre("a", "b"));
  EXPECT_THAT(*read_labels(config("{}")), ElementsAre("LABEL_0", "LABEL_1"));
  EXPECT_THAT(*read_labels(config(R"({"num_labels":1})")), ElementsAre("LABEL_0"));
  for (const char* wrong : {R"({"id2label":{"0":"a","2":"b"}})", R"({"id2label":{"x":"a"}})",
                            R"({"id2label":{"0":"a","00":"b"}})", R"({"num_labels":0})"}) {
    EXPECT_EQ(read_labels(config(wrong)).status().code(), StatusCode::kDataLoss) << wrong;
  }
}

TEST(Labels, ScoresByTheKindOfProblem) {
  EXPECT_EQ(*read_classify_scores(config("{}"), 1), ScoreFunction::kSigmoid);
  EXPECT_EQ(*read_classify_scores(config("{}"), 2), ScoreFunction::kSoftmax);
  EXPECT_EQ(*read_classify_scores(config(R"({"problem_type":"multi_label_classification"})"), 3),
            ScoreFunction::kSigmoid);
  EXPECT_EQ(*read_classify_scores(config(R"({"problem_type":"regression"})"), 1),
            ScoreFunction::kIdentity);
  EXPECT_THAT(read_classify_scores(config(R"({"problem_type":"ranking"})"), 1).status().message(),
              HasSubstr("\"ranking\""));
}

TEST(Labels, ACrossEncodersActivation) {
  checkpoint::ModelFolder folder;
  EXPECT_EQ(*read_rerank_scores(folder), ScoreFunction::kSigmoid);
  folder.config =
      config(R"({"sbert_ce_default_activation_function":"torch.nn.modules.linear.Identity"})");
  EXPECT_EQ(*read_rerank_scores(folder), ScoreFunction::kIdentity);
  folder.activation_fn = "torch.nn.modules.activation.Sigmoid";
  EXPECT_EQ(*read_rerank_scores(folder), ScoreFunction::kSigmoid);
  folder.activation_fn = "torch.nn.modules.activation.Softplus";
  EXPECT_EQ(read_rerank_scores(folder).status().code(), StatusCode::kUnsupported);
}

}  // namespace
}  // namespace wde::workflow
