// The questions that the known templates put, word for word as their authors do.
#include "workflow/rerank_template.h"

#include <gtest/gtest.h>

namespace wde::workflow {
namespace {

std::string question(std::string_view name, const std::string& instruction) {
  for (const KnownTemplate& known : known_templates()) {
    if (known.name != name) continue;
    auto parsed = pipeline::jinja::Template::parse(known.source);
    EXPECT_TRUE(parsed.ok()) << parsed.status().message();
    if (!parsed.ok()) return {};
    const pipeline::PairTemplate pair_template(std::move(parsed).value(), {{"bos_token", "<bos>"}},
                                               {});
    const auto text = pair_template.render(instruction, "Q?", "D.");
    EXPECT_TRUE(text.ok()) << text.status().message();
    return text.ok() ? *text : "";
  }
  ADD_FAILURE() << name;
  return {};
}

TEST(KnownTemplates, Qwen3Reranker) {
  const std::string before =
      "<|im_start|>system\nJudge whether the Document meets the requirements based on the Query "
      "and the Instruct provided. Note that the answer can only be \"yes\" or \"no\".<|im_end|>\n"
      "<|im_start|>user\n<Instruct>: ";
  const std::string behind =
      "\n<Query>: Q?\n<Document>: D.<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\n";
  EXPECT_EQ(question("qwen3-reranker", ""),
            before + "Given a web search query, retrieve relevant passages that answer the query" +
                behind);
  EXPECT_EQ(question("qwen3-reranker", "Find boats."), before + "Find boats." + behind);
}

TEST(KnownTemplates, MxbaiRerank) {
  const std::string before =
      "<|endoftext|><|im_start|>system\nYou are Qwen, created by Alibaba Cloud. You are a helpful "
      "assistant.\n<|im_end|>\n<|im_start|>user\n";
  const std::string behind =
      "query: Q? \ndocument: D. \nYou are a search relevance expert who evaluates how well "
      "documents match search queries. For each query-document pair, carefully analyze the "
      "semantic relationship between them, then provide your binary relevance judgment (0 for not "
      "relevant, 1 for relevant).\nRelevance:<|im_end|>\n<|im_start|>assistant\n";
  EXPECT_EQ(question("mxbai-rerank-v2", ""), before + behind);
  EXPECT_EQ(question("mxbai-rerank-v2", "Find boats."),
            before + "instruction: Find boats. \n" + behind);
}

TEST(KnownTemplates, BgeRerankerGemma) {
  EXPECT_EQ(question("bge-reranker-v2-gemma", ""),
            "<bos>A: Q?\nB: D.\nGiven a query A and a passage B, determine whether the passage "
            "contains an answer to the query by providing a prediction of either 'Yes' or 'No'.");
  EXPECT_EQ(question("bge-reranker-v2-gemma", "Good?"), "<bos>A: Q?\nB: D.\nGood?");
}

}  // namespace
}  // namespace wde::workflow
