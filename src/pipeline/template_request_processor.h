// The request processor of language models that rerank: a pair is rendered by a chat template, as a
// query and a document beside an instruction, and the whole is one text without further special
// tokens.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "base/json.h"
#include "pipeline/jinja/template.h"
#include "pipeline/request_processor.h"

namespace wde::pipeline {

// How a pair becomes a text, as sentence-transformers (6.2) makes it: messages of the roles
// "system" (the prompt, where there is one), "query" and "document".
class PairTemplate {
 public:
  struct Form {
    bool structured = false;   // contents are lists of parts, [{"type": "text", "text": …}]
    bool restores_end = true;  // where a pair is cut, the template's end is put back
  };
  // `variables` are there beside the messages: special tokens, settings of the template's own.
  PairTemplate(jinja::Template parsed, json::object variables, Form form)
      : template_(std::move(parsed)), variables_(std::move(variables)), form_(form) {}
  bool restores_end() const { return form_.restores_end; }

  // Errors: those of jinja::Template::render.
  Result<std::string> render(const std::string& prompt, const std::string& query,
                             const std::string& document) const;

 private:
  json::object message(std::string_view role, const std::string& content) const;

  jinja::Template template_;
  json::object variables_;
  Form form_;
};

class TemplateRequestProcessor final : public RequestProcessor {
 public:
  TemplateRequestProcessor(std::shared_ptr<const tokenizer::Tokenizer> tokenizer, TextLimits limits,
                           PromptPolicy prompts, PairTemplate pair_template)
      : RequestProcessor(std::move(tokenizer), limits, std::move(prompts)),
        template_(std::move(pair_template)) {}

 protected:
  // Where a pair is cut, what the template writes behind the texts is put back over the last
  // tokens, unless the template's form says otherwise: the answer is asked for there.
  Result<tokenizer::Encoding> encode(const Input& input, const std::string& prompt,
                                     const tokenizer::EncodeOptions& options) const override;

 private:
  Result<tokenizer::Encoding> encode_rendered(const std::string& prompt, const TextPair& pair,
                                              const tokenizer::EncodeOptions& options) const;
  // The tokens that the template writes behind the texts where there is this prompt.
  Result<std::vector<int32_t>> find_end(const std::string& prompt) const;
  Status restore_end(const std::string& prompt, tokenizer::Encoding* encoding) const;

  PairTemplate template_;
  // find_end() of prompts that were met: the model's few.
  mutable std::mutex mutex_;
  mutable std::map<std::string, std::vector<int32_t>> ends_;
};

}  // namespace wde::pipeline
