// The second station of late interaction: what RequestProcessor does, and for kMultiVector and
// kHybrid requests the markers of queries and documents, their own lengths, the tokens that fill a
// query up, and which tokens' vectors are answered. A request is a query when it names the prompt
// "query" (or that is the engine's default), else a document.
#pragma once

#include <optional>
#include <vector>

#include "pipeline/request_processor.h"

namespace wde::pipeline {

struct MultiVectorSide {
  std::optional<int32_t> marker;     // a token behind the leading special ones
  int max_length = 0;                // tokens, the marker included; 0: the model's limit
  std::vector<int32_t> skipped_ids;  // tokens whose vectors are not answered; sorted
};

// Queries are filled up with a token to `length`; all its vectors are answered.
struct Expansion {
  int32_t token = 0;
  int length = 0;
  bool attended = false;  // the other tokens see the added ones
};

struct MultiVectorPolicy {
  MultiVectorSide query, document;
  std::optional<Expansion> expansion;
  bool skips_first = false;  // the first token's vector is not answered
};

class MultiVectorRequestProcessor final : public RequestProcessor {
 public:
  MultiVectorRequestProcessor(std::shared_ptr<const tokenizer::Tokenizer> tokenizer,
                              TextLimits limits, PromptPolicy prompts, MultiVectorPolicy policy)
      : RequestProcessor(std::move(tokenizer), limits, std::move(prompts)),
        policy_(std::move(policy)) {}

 protected:
  void prepare(const Request& request, tokenizer::EncodeOptions* options) const override;
  void finish(const Request& request, tokenizer::Encoding* encoding,
              schema::SchedulableRequest* out) const override;

 private:
  bool is_query(const Request& request) const { return prompt_name_of(request) == "query"; }
  void expand(tokenizer::Encoding* encoding, schema::SchedulableRequest* out) const;

  MultiVectorPolicy policy_;
};

}  // namespace wde::pipeline
