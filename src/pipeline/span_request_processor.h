// The second station where answers are spans of the text: what RequestProcessor does, and for each
// token of a kClassifyTokens request its place in the text.
#pragma once

#include <optional>

#include "pipeline/request_processor.h"

namespace wde::pipeline {

class SpanRequestProcessor final : public RequestProcessor {
 public:
  // `unknown`: the id that stands for what the vocabulary does not have; it begins a word always.
  SpanRequestProcessor(std::shared_ptr<const tokenizer::Tokenizer> tokenizer, TextLimits limits,
                       PromptPolicy prompts, std::optional<int32_t> unknown)
      : RequestProcessor(std::move(tokenizer), limits, std::move(prompts)), unknown_(unknown) {}

 protected:
  void prepare(const Request& request, tokenizer::EncodeOptions* options) const override;
  void finish(const Request& request, tokenizer::Encoding* encoding,
              schema::SchedulableRequest* out) const override;

 private:
  // `spaces`: which code points of the whole text are spaces.
  bool continues_word(int32_t id, tokenizer::Offset offset, const std::vector<bool>& spaces) const;

  std::optional<int32_t> unknown_;
};

}  // namespace wde::pipeline
