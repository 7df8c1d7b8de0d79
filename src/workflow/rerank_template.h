// How a language model is asked whether a document answers a query: the template that makes the
// question, and the words of the answer.
#pragma once

#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "pipeline/template_request_processor.h"
#include "workflow/workflow.h"

namespace wde::workflow {

// A template that models come without, by the name that --rerank-template knows: the text that
// their authors publish, in Jinja, over messages of the roles "system" (the instruction), "query"
// and "document".
struct KnownTemplate {
  std::string_view name;
  std::string_view source;
  std::string_view true_token, false_token;  // of the answer; the second may be empty
};
std::span<const KnownTemplate> known_templates();

// The template: --rerank-template's, else the model's own (workflow/chat_template.h). Errors:
// kInvalidArgument (the flag: neither a known name nor a file), kUnsupported (no template, or one
// that is not understood; one that does not write both texts; no "bos_token" for one that names
// it), kDataLoss; each names the file or the flag.
Result<pipeline::PairTemplate> read_pair_template(const Settings& settings);

// One or two ids of the vocabulary: --true-token and --false-token, else the folder's LogitScore,
// else those of a known template, else "yes" and "no". Errors: kInvalidArgument (a flag's word is
// no token), kDataLoss (ids outside the vocabulary), kUnsupported.
Result<std::vector<int32_t>> find_answer_tokens(const Settings& settings,
                                                const tokenizer::Tokenizer& tokenizer);

}  // namespace wde::workflow
