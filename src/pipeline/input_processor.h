// The first station: may this workflow serve this request? Checks fields and sizes, resolves what
// the request leaves open. Called on the client's thread; stateless and thread-safe; knows nothing
// of tokens.
#pragma once

#include "pipeline/limits.h"
#include "schema/schema.h"

namespace wde::pipeline {

class InputProcessor {
 public:
  // `over_long` holds where a request does not say.
  InputProcessor(OutputPolicy output, PromptPolicy prompts, AdapterPolicy adapters = {},
                 OverLong over_long = OverLong::kTruncate);

  // Errors: kUnsupported (task), kInvalidArgument (an input of a kind that the task does not take;
  // a field that goes with other tasks; averaging of what is no embedding; dimensions; a prompt
  // name, of which the known ones are listed, or one beside token ids), kEmptyInput (an empty list
  // of token ids).
  Status check(const Request& request) const;
  // Which adapter a checked request gets; -1: none.
  int adapter(const Request& request) const;
  // How the answer of a checked request is made.
  schema::OutputSpec output_spec(const Request& request) const;

 private:
  Status check_task(Task task) const;
  Status check_prompt(const Request& request) const;
  Status check_dimensions(const Request& request) const;
  Status check_over_long(const Request& request) const;

  OutputPolicy output_;
  PromptPolicy prompts_;
  AdapterPolicy adapters_;
  OverLong over_long_;
};

}  // namespace wde::pipeline
