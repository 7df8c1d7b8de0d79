// Where chat templates and the tokens that they name are looked for.
#include "workflow/chat_template.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/temporary_folder.h"
#include "workflow/rerank_template.h"

namespace wde::workflow {
namespace {

using testing::AllOf;
using testing::HasSubstr;

checkpoint::ModelFolder folder_at(const std::string& path) {
  checkpoint::ModelFolder folder;
  folder.path = folder.transformer_path = folder.tokenizer_path = path;
  return folder;
}

checkpoint::ModelFolder gguf_with(const std::string& chat_template, json::object vocabulary) {
  checkpoint::ModelFolder folder = folder_at("/no/such/model.gguf");
  folder.gguf_chat_template = chat_template;
  folder.vocabulary = std::move(vocabulary);
  return folder;
}

std::string found(const checkpoint::ModelFolder& folder) {
  const auto source = find_chat_template(folder);
  return source.ok() ? source->text : source.status().message();
}

TEST(ChatTemplate, IsTheFirstOfThreeFiles) {
  const test::TemporaryFolder files;
  const auto folder = folder_at(files.root());
  EXPECT_THAT(found(folder), HasSubstr("no chat template"));
  files.write("tokenizer_config.json",
              R"({"chat_template": [{"name": "tools", "template": "t"},
                                    {"name": "default", "template": "config"}]})");
  EXPECT_EQ(found(folder), "config");
  files.write("chat_template.json", R"({"chat_template": "json"})");
  EXPECT_EQ(found(folder), "json");
  files.write("chat_template.jinja", "jinja");
  EXPECT_EQ(found(folder), "jinja");
}

TEST(ChatTemplate, OfAnAdapterIsItsOwnElseItsBaseModels) {
  const test::TemporaryFolder files;
  files.write("base/config.json", R"({"architectures": ["LlamaForCausalLM"]})");
  files.write("base/chat_template.jinja", "base's");
  files.write("adapter/adapter_config.json", R"({"base_model_name_or_path": "../base"})");
  files.write("adapter/tokenizer.json", "{}");
  const auto read = [&] {
    return checkpoint::read_model_folder(files.path("adapter"), {.weights = false}).value();
  };
  EXPECT_EQ(found(read()), "base's");
  files.write("adapter/chat_template.jinja", "adapter's");
  EXPECT_EQ(found(read()), "adapter's");
}

TEST(ChatTemplate, OfAGgufFileIsItsOwn) {
  EXPECT_EQ(found(gguf_with("gguf", {})), "gguf");
  EXPECT_THAT(found(gguf_with("", {})), HasSubstr("no chat template"));
}

TEST(NamedTokens, OfTheConfigElseOfTheSpecialTokensMap) {
  const test::TemporaryFolder files;
  files.write("tokenizer_config.json", R"({"bos_token": {"content": "<b>"}, "pad_token": null})");
  files.write("special_tokens_map.json",
              R"({"bos_token": "<other>", "eos_token": "<e>", "pad_token": {"content": "<p>"}})");
  EXPECT_EQ(named_tokens(folder_at(files.root())).value(),
            (json::object{{"bos_token", "<b>"}, {"eos_token", "<e>"}, {"pad_token", "<p>"}}));
}

TEST(NamedTokens, OfAGgufFileAreThoseOfItsIds) {
  const json::object vocabulary = {{"tokens", json::array{"<s>", "</s>", "[SEP]"}},
                                   {"bos_token_id", 0},
                                   {"seperator_token_id", 2},
                                   {"padding_token_id", int64_t{0xffffffff}}};
  EXPECT_EQ(named_tokens(gguf_with("", vocabulary)).value(),
            (json::object{{"bos_token", "<s>"}, {"sep_token", "[SEP]"}}));
  EXPECT_THAT(named_tokens(gguf_with("", {{"tokens", json::array{"a"}}, {"eos_token_id", 1}}))
                  .status()
                  .message(),
              AllOf(HasSubstr("eos_token_id"), HasSubstr("outside")));
}

TEST(PairTemplate, ContentsAreWhatTheTemplateLooksLike) {
  using Format = checkpoint::ProcessingConfig::Format;
  const test::TemporaryFolder files;
  Settings settings;
  settings.folder = folder_at(files.root());
  const auto rendered = [&] {
    const auto pair_template = read_pair_template(settings);
    return pair_template.ok() ? pair_template->render("", "q", "d").value()
                              : pair_template.status().message();
  };
  files.write("chat_template.jinja", "{% for m in messages %}{{ m.content[0].text }},{% endfor %}");
  EXPECT_EQ(rendered(), "q,d,");
  settings.folder.processing.format = Format::kFlat;
  EXPECT_THAT(rendered(), HasSubstr("does not write both"));
  files.write("chat_template.jinja", "{% for m in messages %}{{ m.content }},{% endfor %}{{ x }}");
  settings.folder.processing.template_variables = {{"x", "y"}};
  EXPECT_EQ(rendered(), "q,d,y");
  settings.folder.processing.format = Format::kAuto;
  EXPECT_EQ(rendered(), "q,d,y");
}

TEST(PairTemplate, OfAGgufFileNeedsTheTokenThatItNames) {
  const std::string source =
      "{{ bos_token }}{% for m in messages %}{{ m.role }}: {{ m.content }}.{% endfor %}";
  Settings settings;
  settings.folder = gguf_with(source, {{"tokens", json::array{"<s>"}}, {"bos_token_id", 0}});
  const auto pair_template = read_pair_template(settings);
  ASSERT_TRUE(pair_template.ok()) << pair_template.status().message();
  EXPECT_EQ(pair_template->render("", "q", "d").value(), "<s>query: q.document: d.");
  settings.folder = gguf_with(source, {{"tokens", json::array{"<s>"}}});
  EXPECT_THAT(read_pair_template(settings).status().message(),
              AllOf(HasSubstr("\"bos_token\""), HasSubstr("model.gguf")));
  settings.options.rerank_template = "bge-reranker-v2-gemma";
  EXPECT_THAT(read_pair_template(settings).status().message(),
              AllOf(HasSubstr("\"bos_token\""), HasSubstr("--rerank-template")));
}

}  // namespace
}  // namespace wde::workflow
