#include "pipeline/static_request_processor.h"

namespace wde::pipeline {

void StaticRequestProcessor::prepare(const Request&, tokenizer::EncodeOptions* options) const {
  options->add_special_tokens = false;
}

void StaticRequestProcessor::finish(const Request&, tokenizer::Encoding* encoding,
                                    schema::SchedulableRequest*) const {
  if (!encoding->ids.empty()) return;
  encoding->ids.push_back(limits().vocab_size - 1);
  encoding->type_ids.push_back(0);
  encoding->special_mask.push_back(1);
}

}  // namespace wde::pipeline
