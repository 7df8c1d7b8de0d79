// The second station of models that are a table (checkpoint/static_table.h): no special tokens
// around a text, and for a text without tokens the table's last row, which is zero.
#pragma once

#include "pipeline/request_processor.h"

namespace wde::pipeline {

class StaticRequestProcessor final : public RequestProcessor {
 public:
  StaticRequestProcessor(std::shared_ptr<const tokenizer::Tokenizer> tokenizer, TextLimits limits,
                         PromptPolicy prompts)
      : RequestProcessor(std::move(tokenizer), limits, std::move(prompts)) {}

 protected:
  void prepare(const Request& request, tokenizer::EncodeOptions* options) const override;
  void finish(const Request& request, tokenizer::Encoding* encoding,
              schema::SchedulableRequest* out) const override;
};

}  // namespace wde::pipeline
