// How sentence-transformers 6 calls a model's tokenizer and its chat template:
// "processing_kwargs" and "modality_config" of sentence_bert_config.json. (sentence-transformers,
// base/modules/transformer.py.)
#pragma once

#include <cstdint>
#include <optional>

#include "base/json.h"
#include "base/status.h"

namespace wde::checkpoint {

struct ProcessingConfig {
  std::optional<int64_t> max_length;  // tokens of a text, instead of "max_seq_length"
  // "modality_config" has "message": texts are put to the model by its chat template.
  bool messages = false;
  // What a message's content is: a text, a list of parts, or what the template looks like.
  enum class Format { kFlat, kStructured, kAuto };
  Format format = Format::kAuto;
  json::object template_variables;  // "chat_template": beside the messages
  // "restore_suffix": where a text is cut, what the template writes behind it is put back.
  bool restores_end = true;
};

// Settings of other modalities and those that change no number here (padding, types of tensors) are
// passed over. Errors: kUnsupported for any other that is not read, by its name; kDataLoss for
// values that make no sense.
Result<ProcessingConfig> read_processing_config(const json::object& sentence_config);

}  // namespace wde::checkpoint
