// The second station: prompt, tokenize, truncate. Runs on the request threads, many requests at
// once; immutable and thread-safe.
#pragma once

#include <memory>
#include <vector>

#include "pipeline/limits.h"
#include "pipeline/text_parts.h"
#include "schema/schema.h"
#include "tokenizer/tokenizer.h"

namespace wde::pipeline {

// A family of models whose texts need more than this derives from it: prepare(), encode() and
// finish().
class RequestProcessor {
 public:
  RequestProcessor(std::shared_ptr<const tokenizer::Tokenizer> tokenizer, TextLimits limits,
                   PromptPolicy prompts);
  virtual ~RequestProcessor() = default;

  // `accepted` with the request's ids, type_ids, pooling_skip, characters and truncated; or, where
  // an over-long text is averaged, a copy for each of its parts. Errors: kInvalidArgument
  // (over-long where truncation is refused, with the numbers; an over-long pair where texts are
  // averaged; a token id or type that the model does not know; a limit with no room for the special
  // tokens).
  Result<std::vector<schema::SchedulableRequest>> process(
      const Request& request, schema::SchedulableRequest accepted) const;

 protected:
  // What the family asks of the tokenizer, beside what every request does.
  virtual void prepare(const Request& request, tokenizer::EncodeOptions* options) const;
  // What the family takes from the encoding: called before its ids are checked and moved to *out.
  virtual void finish(const Request& request, tokenizer::Encoding* encoding,
                      schema::SchedulableRequest* out) const;

  // The input's tokens, with the prompt before a text and before the first of a pair. Errors: those
  // of the tokenizer.
  virtual Result<tokenizer::Encoding> encode(const Input& input, const std::string& prompt,
                                             const tokenizer::EncodeOptions& options) const;

  // The name of the request's prompt; empty where neither it nor the engine names one.
  std::string_view prompt_name_of(const Request& request) const;
  // The text that is put before the request's; may be empty.
  const std::string& prompt_of(const Request& request) const;
  const tokenizer::Tokenizer& tokenizer() const { return *tokenizer_; }
  const TextLimits& limits() const { return limits_; }

 private:
  tokenizer::EncodeOptions encode_options(const Request& request) const;
  Result<int> pooling_skip(const Request& request) const;
  Result<int> prompt_tokens(const std::string& prompt) const;
  Result<std::vector<TextPart>> cut(const Request& request,
                                    const tokenizer::EncodeOptions& options) const;
  Result<std::vector<schema::SchedulableRequest>> process_parts(
      const Request& request, const tokenizer::EncodeOptions& options,
      const schema::SchedulableRequest& accepted) const;
  Status complete(const Request& request, tokenizer::Encoding encoding,
                  schema::SchedulableRequest* out) const;
  // Every id and type has a row in the model's embedding tables.
  Status check_tokens(const tokenizer::Encoding& encoding) const;

  std::shared_ptr<const tokenizer::Tokenizer> tokenizer_;
  TextLimits limits_;
  PromptPolicy prompts_;
};

}  // namespace wde::pipeline
