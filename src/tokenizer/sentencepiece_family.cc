#include "tokenizer/sentencepiece_family.h"

#include <algorithm>

#include "tokenizer/special_tokens.h"

namespace wde::tokenizer {
namespace {

const std::vector<SentencepieceFamily>& families() {
  static const std::vector<SentencepieceFamily> table = {
      {"XLMRobertaTokenizer",
       {"xlm-roberta", "xlm-roberta-xl"},
       Layout::kXlmRoberta,
       Frame::kRoberta,
       {{"bos_token", "<s>"},
        {"eos_token", "</s>"},
        {"unk_token", "<unk>"},
        {"sep_token", "</s>"},
        {"pad_token", "<pad>"},
        {"cls_token", "<s>"},
        {"mask_token", "<mask>"}},
       true},
      {"CamembertTokenizer",
       {"camembert"},
       Layout::kCamembert,
       Frame::kRoberta,
       {{"bos_token", "<s>"},
        {"eos_token", "</s>"},
        {"unk_token", "<unk>"},
        {"sep_token", "</s>"},
        {"pad_token", "<pad>"},
        {"cls_token", "<s>"},
        {"mask_token", "<mask>"}},
       true},
      {"T5Tokenizer",
       {"t5", "mt5", "umt5", "longt5"},
       Layout::kT5,
       Frame::kT5,
       {{"eos_token", "</s>"}, {"unk_token", "<unk>"}, {"pad_token", "<pad>"}}},
      {"AlbertTokenizer",
       {"albert"},
       Layout::kAsTheyAre,
       Frame::kBert,
       {{"bos_token", "[CLS]"},
        {"eos_token", "[SEP]"},
        {"unk_token", "<unk>"},
        {"sep_token", "[SEP]"},
        {"pad_token", "<pad>"},
        {"cls_token", "[CLS]"},
        {"mask_token", "[MASK]"}},
       true},
      {"DebertaV2Tokenizer",
       {"deberta-v2"},
       Layout::kAsTheyAre,
       Frame::kBert,
       {{"bos_token", "[CLS]"},
        {"eos_token", "[SEP]"},
        {"unk_token", "[UNK]"},
        {"sep_token", "[SEP]"},
        {"pad_token", "[PAD]"},
        {"cls_token", "[CLS]"},
        {"mask_token", "[MASK]"}}},
      {"LlamaTokenizer",
       {"llama", "mistral", "mixtral", "phi3"},
       Layout::kAsTheyAre,
       Frame::kAsConfigured,
       {{"bos_token", "<s>"}, {"eos_token", "</s>"}, {"unk_token", "<unk>"}},
       false,
       true},
      {"GemmaTokenizer",
       {"gemma", "gemma2", "gemma3", "gemma3_text"},
       Layout::kAsTheyAre,
       Frame::kAsConfigured,
       {{"bos_token", "<bos>"},
        {"eos_token", "<eos>"},
        {"unk_token", "<unk>"},
        {"pad_token", "<pad>"},
        {"mask_token", "<mask>"}},
       false,
       true},
  };
  return table;
}

}  // namespace

Result<const SentencepieceFamily*> find_sentencepiece_family(const std::string& folder,
                                                             const json::object& tokenizer_config) {
  WDE_ASSIGN_OR_RETURN(std::string name, json::get_string(tokenizer_config, "tokenizer_class", ""));
  if (name.ends_with("Fast")) name.resize(name.size() - 4);
  if (name == "MT5Tokenizer") name = "T5Tokenizer";
  const bool generic = name.empty() || name == "PreTrainedTokenizer" || name == "TokenizersBackend";
  WDE_ASSIGN_OR_RETURN(const json::object model_config, read_json_object(folder + "/config.json"));
  WDE_ASSIGN_OR_RETURN(const std::string type, json::get_string(model_config, "model_type", ""));
  std::string known;
  for (const SentencepieceFamily& family : families()) {
    const auto& types = family.model_types;
    const bool has_type = std::find(types.begin(), types.end(), type) != types.end();
    if (generic ? has_type : family.tokenizer_class == name) return &family;
    known += known.empty() ? "" : ", ";
    known += family.tokenizer_class;
  }
  return unsupported_error(
      "a sentencepiece model without tokenizer.json for tokenizer_class \"{}\", model_type \"{}\"; "
      "known: {}",
      name, type, known);
}

}  // namespace wde::tokenizer
