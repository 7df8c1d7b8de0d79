// The second station: prompt, tokenize, truncate. Runs on the request threads, many requests at
// once; immutable and thread-safe.
#pragma once

#include <memory>

#include "pipeline/limits.h"
#include "schema/schema.h"
#include "tokenizer/tokenizer.h"

namespace wde::pipeline {

class RequestProcessor {
 public:
  RequestProcessor(std::shared_ptr<const tokenizer::Tokenizer> tokenizer, TextLimits limits,
                   PromptPolicy prompts);

  // Fills ids, type_ids, pooling_skip, characters and truncated of `*out` from the request. Errors:
  // kInvalidArgument (over-long where truncation is refused, with the numbers; a token id or
  // type that the model does not know; a limit with no room for the special tokens).
  Status process(const Request& request, schema::SchedulableRequest* out) const;

 private:
  const std::string& prompt_of(const Request& request) const;
  Result<int> prompt_tokens(const std::string& prompt) const;
  Result<tokenizer::Encoding> encode(const Input& input, const std::string& prompt,
                                     const tokenizer::EncodeOptions& options) const;
  // Every id and type has a row in the model's embedding tables.
  Status check_tokens(const tokenizer::Encoding& encoding) const;

  std::shared_ptr<const tokenizer::Tokenizer> tokenizer_;
  TextLimits limits_;
  PromptPolicy prompts_;
};

}  // namespace wde::pipeline
