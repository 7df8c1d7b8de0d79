#include "workflow/rerank_template.h"

#include <fmt/ranges.h>

#include <algorithm>

#include "base/file.h"
#include "base/status.h"
#include "workflow/architecture.h"
#include "workflow/chat_template.h"

namespace wde::workflow {
namespace {

constexpr size_t kMaxTemplateBytes = pipeline::jinja::Template::kMaxBytes;

#define WDE_MESSAGE(role) \
  "(messages | selectattr('role', 'eq', '" role "') | map(attribute='content') | first)"

constexpr KnownTemplate kTemplates[] = {
    // The model card of Qwen3-Reranker-0.6B.
    {"qwen3-reranker",
     "<|im_start|>system\nJudge whether the Document meets the requirements based on the Query and "
     "the Instruct provided. Note that the answer can only be \"yes\" or \"no\".<|im_end|>\n"
     "<|im_start|>user\n<Instruct>: {{ " WDE_MESSAGE(
         "system") " | default('Given a web search "
                   "query, retrieve relevant passages that answer the query') }}\n<Query>: "
                   "{{ " WDE_MESSAGE("query") " }}\n<Document>: {{ " WDE_MESSAGE(
                       "document") " }}<|im_end|>\n"
                                   "<|im_start|>assistant\n<think>\n\n</think>\n{{ '\\n' }}",
     "yes", "no"},
    // The library mxbai-rerank, for mxbai-rerank-base-v2 and -large-v2.
    {"mxbai-rerank-v2",
     "<|endoftext|><|im_start|>system\nYou are Qwen, created by Alibaba Cloud. You are a helpful "
     "assistant.\n<|im_end|>\n<|im_start|>user\n{% if messages[0].role == 'system' %}instruction: "
     "{{ messages[0].content }} {{ '\\n' }}{% endif %}query: {{ " WDE_MESSAGE(
         "query") " }} \n"
                  "document: {{ " WDE_MESSAGE(
                      "document") " }} \nYou are a search relevance expert who evaluates "
                                  "how well documents match search queries. For each "
                                  "query-document pair, carefully analyze the "
                                  "semantic relationship between them, then provide your binary "
                                  "relevance judgment (0 for not "
                                  "relevant, 1 for "
                                  "relevant).\nRelevance:<|im_end|>\n<|im_start|>assistant{{ '\\n' "
                                  "}}",
     "1", "0"},
    // FlagEmbedding, for bge-reranker-v2-gemma.
    {"bge-reranker-v2-gemma",
     "{{ bos_token }}A: {{ " WDE_MESSAGE("query") " }}\nB: {{ " WDE_MESSAGE(
         "document") " }}\n"
                     "{{ " WDE_MESSAGE("system") " | default(\"Given a query A and a passage B, "
                                                 "determine whether "
                                                 "the passage contains an answer to the query by "
                                                 "providing a prediction of either 'Yes' or "
                                                 "'No'.\") }}",
     "Yes", ""},
};

#undef WDE_MESSAGE

const KnownTemplate* find_known(std::string_view name) {
  for (const KnownTemplate& known : kTemplates) {
    if (known.name == name) return &known;
  }
  return nullptr;
}

Result<ChatTemplate> flag_source(const std::string& name) {
  if (const KnownTemplate* known = find_known(name))
    return ChatTemplate{std::string(known->source), "--rerank-template " + name};
  if (!file_exists(name)) {
    std::vector<std::string_view> names;
    for (const KnownTemplate& known : kTemplates) names.push_back(known.name);
    return invalid_argument_error(
        "--rerank-template: \"{}\" is neither a file nor a known template ({})", name,
        fmt::join(names, ", "));
  }
  WDE_ASSIGN_OR_RETURN(std::string text, read_file(name, kMaxTemplateBytes));
  return ChatTemplate{std::move(text), name};
}

// What transformers gives a template beside the messages, and what the folder's own settings add.
json::object template_variables(json::object variables,
                                const checkpoint::ProcessingConfig& processing) {
  variables["add_generation_prompt"] = false;
  variables["tools"] = nullptr;
  variables["documents"] = nullptr;
  for (const auto& [key, value] : processing.template_variables) variables[key] = value;
  return variables;
}

// As sentence-transformers guesses it from the template (base/modality.py: _infer_format).
bool is_structured(checkpoint::ProcessingConfig::Format format, std::string_view source) {
  using Format = checkpoint::ProcessingConfig::Format;
  if (format != Format::kAuto) return format == Format::kStructured;
  constexpr std::string_view kSigns[] = {"content[0]", ".type", "'type'", "\"type\"",
                                         "message.content["};
  return std::any_of(std::begin(kSigns), std::end(kSigns), [&](std::string_view sign) {
    return source.find(sign) != std::string_view::npos;
  });
}

// A template for chats alone would drop the texts, and every pair would have the same score.
Status check_both_written(const pipeline::PairTemplate& pair_template) {
  constexpr const char *kQuery = "a query of ours", *kDocument = "a document of ours";
  WDE_ASSIGN_OR_RETURN(const std::string text, pair_template.render("", kQuery, kDocument));
  if (text.find(kQuery) != std::string::npos && text.find(kDocument) != std::string::npos)
    return {};
  return unsupported_error(
      "the chat template does not write both a message of the role \"query\" and one of the role "
      "\"document\"; --rerank-template names one that does");
}

Result<int32_t> token_of(const tokenizer::Tokenizer& tokenizer, std::string_view word,
                         std::string_view origin) {
  const auto id = tokenizer.token_to_id(word);
  if (id) return *id;
  if (!origin.empty())
    return invalid_argument_error("{}: \"{}\" is no token of the vocabulary", origin, word);
  return unsupported_error(
      "neither a LogitScore nor --true-token says what counts as yes, and \"{}\" is no token of "
      "the "
      "vocabulary",
      word);
}

const checkpoint::LogitScoreModule* find_logit_score(const checkpoint::ModelFolder& folder) {
  for (const checkpoint::Module& module : folder.modules) {
    if (const auto* score = std::get_if<checkpoint::LogitScoreModule>(&module)) return score;
  }
  return nullptr;
}

}  // namespace

std::span<const KnownTemplate> known_templates() { return kTemplates; }

Result<pipeline::PairTemplate> read_pair_template(const Settings& settings) {
  const std::string& flag = settings.options.rerank_template;
  WDE_ASSIGN_OR_RETURN(const ChatTemplate source,
                       flag.empty() ? find_chat_template(settings.folder) : flag_source(flag));
  auto parsed = pipeline::jinja::Template::parse(source.text);
  if (!parsed.ok()) return parsed.status().with_context(source.where);
  WDE_ASSIGN_OR_RETURN(json::object tokens, named_tokens(settings.folder));
  // Of its own folder's template, transformers writes a token that is missing as nothing.
  const bool own_folder = flag.empty() && !settings.folder.vocabulary;
  if (!own_folder && !tokens.contains("bos_token") &&
      source.text.find("bos_token") != std::string::npos) {
    return unsupported_error("{}: the template begins with a \"bos_token\", and {} names none",
                             source.where, settings.folder.tokenizer_path);
  }
  const checkpoint::ProcessingConfig& processing = settings.folder.processing;
  pipeline::PairTemplate pair_template(
      std::move(parsed).value(), template_variables(std::move(tokens), processing),
      {.structured = flag.empty() && is_structured(processing.format, source.text),
       .restores_end = processing.restores_end});
  WDE_RETURN_IF_ERROR(check_both_written(pair_template).with_context(source.where));
  return pair_template;
}

Result<std::vector<int32_t>> find_answer_tokens(const Settings& settings,
                                                const tokenizer::Tokenizer& tokenizer) {
  const EngineOptions& options = settings.options;
  std::string_view yes = "yes", no = "no", origin;
  if (!options.true_token.empty()) {
    yes = options.true_token;
    no = options.false_token;
    origin = "--true-token, --false-token";
  } else if (!options.false_token.empty()) {
    return invalid_argument_error("--false-token goes with --true-token only");
  } else if (const auto* score = find_logit_score(settings.folder)) {
    std::vector<int32_t> tokens;
    for (const int64_t id : {score->true_token, score->false_token.value_or(score->true_token)}) {
      if (id < 0 || id >= settings.traits.vocab_size)
        return data_loss_error("LogitScore: token {} is outside the vocabulary of {}", id,
                               settings.traits.vocab_size);
      tokens.push_back(static_cast<int32_t>(id));
    }
    if (!score->false_token) tokens.pop_back();
    return tokens;
  } else if (const KnownTemplate* known = find_known(options.rerank_template)) {
    yes = known->true_token;
    no = known->false_token;
    origin = "--rerank-template";
  }
  std::vector<int32_t> tokens;
  for (const std::string_view word : {yes, no}) {
    if (word.empty()) continue;
    WDE_ASSIGN_OR_RETURN(const int32_t id, token_of(tokenizer, word, origin));
    if (id >= settings.traits.vocab_size)
      return data_loss_error("token {} is outside the model's vocabulary", id);
    tokens.push_back(id);
  }
  return tokens;
}

}  // namespace wde::workflow
