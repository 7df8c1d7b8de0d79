// What one class of transformers' tokenizers makes of a sentencepiece model beyond the others: one
// table. Immutable; any thread.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/json.h"
#include "base/status.h"

namespace wde::tokenizer {

// What stands before and behind the model's own pieces.
enum class Layout { kAsTheyAre, kXlmRoberta, kCamembert, kT5 };
// Where special tokens stand around texts.
enum class Frame { kRoberta, kT5, kBert, kAsConfigured };

// What one class of transformers tokenizers does beyond the others.
struct SentencepieceFamily {
  std::string_view tokenizer_class;
  std::vector<std::string_view> model_types;  // in config.json
  Layout layout = Layout::kAsTheyAre;
  Frame frame = Frame::kBert;
  // The tokens of the roles by default.
  std::vector<std::pair<std::string_view, std::string_view>> roles;
  bool mask_takes_space = false;  // the mask token swallows the space before it
  bool byte_fallback = false;
};

// The family of a folder: by tokenizer_config.json's tokenizer_class where that names one of
// sentencepiece's, else by config.json's model_type. Errors: kUnsupported, with the known ones;
// kDataLoss, kIoError.
Result<const SentencepieceFamily*> find_sentencepiece_family(const std::string& folder,
                                                             const json::object& tokenizer_config);

}  // namespace wde::tokenizer
