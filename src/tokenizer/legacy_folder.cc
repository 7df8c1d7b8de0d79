#include "tokenizer/legacy_folder.h"

#include <algorithm>

#include "base/file.h"
#include "base/utf8.h"
#include "tokenizer/special_tokens.h"

namespace wde::tokenizer {
namespace {

using json::array;
using json::object;
using json::value;

// What one class of transformers tokenizers does beyond the others.
struct Family {
  std::string_view post_processor;
  // Role in tokenizer_config.json and the token it has by default, in the order transformers adds
  // them.
  std::pair<std::string_view, std::string_view> special_tokens[7];
  bool mask_takes_space;  // the mask token swallows the space before it
};

constexpr Family kBert = {"TemplateProcessing",
                          {{"unk_token", "[UNK]"},
                           {"sep_token", "[SEP]"},
                           {"pad_token", "[PAD]"},
                           {"cls_token", "[CLS]"},
                           {"mask_token", "[MASK]"}},
                          false};
constexpr Family kMpnet = {"RobertaProcessing",
                           {{"bos_token", "<s>"},
                            {"eos_token", "</s>"},
                            {"unk_token", "[UNK]"},
                            {"sep_token", "</s>"},
                            {"pad_token", "<pad>"},
                            {"cls_token", "<s>"},
                            {"mask_token", "<mask>"}},
                           true};

Result<const Family*> find_family(const object& config) {
  WDE_ASSIGN_OR_RETURN(std::string name,
                       json::get_string(config, "tokenizer_class", "BertTokenizer"));
  if (name.ends_with("Fast")) name.resize(name.size() - 4);
  if (name == "MPNetTokenizer") return &kMpnet;
  for (const char* known :
       {"BertTokenizer", "DistilBertTokenizer", "ElectraTokenizer", "MobileBertTokenizer"}) {
    if (name == known) return &kBert;
  }
  return unsupported_error(
      "tokenizer_class \"{}\" without tokenizer.json; known: BertTokenizer, "
      "DistilBertTokenizer, ElectraTokenizer, MobileBertTokenizer, MPNetTokenizer",
      name);
}

// One token a line, its number the id; of equal lines the last counts. Lines end as Python reads
// them.
Result<object> read_vocabulary(const std::string& path) {
  WDE_ASSIGN_OR_RETURN(const std::string text, read_file(path, kMaxTokenizerFileBytes));
  if (!is_valid_utf8(text)) return data_loss_error("{}: not UTF-8", path);
  object ids;
  int64_t line = 0;
  for (size_t at = 0; at < text.size(); ++line) {
    const size_t end = std::min(text.find_first_of("\r\n", at), text.size());
    ids[std::string_view(text).substr(at, end - at)] = line;
    at = end + (text.compare(end, 2, "\r\n") == 0 ? 2 : 1);
  }
  return ids;
}

Result<object> make_normalizer_spec(const object& config) {
  object spec;
  spec["type"] = "BertNormalizer";
  spec["clean_text"] = true;
  WDE_ASSIGN_OR_RETURN(spec["handle_chinese_chars"],
                       json::get_bool(config, "tokenize_chinese_chars", true));
  WDE_ASSIGN_OR_RETURN(spec["lowercase"], json::get_bool(config, "do_lower_case", true));
  const value* strip_accents = find_set(config, "strip_accents");
  spec["strip_accents"] = strip_accents == nullptr ? value(nullptr) : *strip_accents;
  return spec;
}

// [CLS] A [SEP], [CLS] A [SEP] B [SEP] with type 1 for the pair; RoBERTa's kind has no types.
object make_post_processor_spec(std::string_view type, const std::pair<std::string, value>& cls,
                                const std::pair<std::string, value>& sep) {
  object spec;
  spec["type"] = type;
  if (type == "RobertaProcessing") {
    spec["cls"] = {cls.first, cls.second};
    spec["sep"] = {sep.first, sep.second};
    spec["trim_offsets"] = true;
    spec["add_prefix_space"] = false;
    return spec;
  }
  const value begin = template_piece("SpecialToken", cls.first, 0);
  const value end = template_piece("SpecialToken", sep.first, 0);
  const value text = template_piece("Sequence", "A", 0);
  spec["single"] = array{begin, text, end};
  spec["pair"] = array{begin, text, end, template_piece("Sequence", "B", 1),
                       template_piece("SpecialToken", sep.first, 1)};
  object special_tokens;
  for (const auto* token : {&cls, &sep})
    special_tokens[token->first] = {{"ids", array{token->second}}};
  spec["special_tokens"] = special_tokens;
  return spec;
}

}  // namespace

Result<object> spec_from_vocab_txt(const std::string& folder) {
  WDE_ASSIGN_OR_RETURN(object vocabulary, read_vocabulary(folder + "/vocab.txt"));
  const auto id_of = [&vocabulary](std::string_view token) -> std::optional<int64_t> {
    const value* id = vocabulary.if_contains(token);
    return id == nullptr ? std::nullopt : std::optional(id->as_int64());
  };
  WDE_ASSIGN_OR_RETURN(SpecialTokens special, SpecialTokens::read(folder));
  WDE_ASSIGN_OR_RETURN(const Family* family, find_family(special.config()));
  WDE_RETURN_IF_ERROR(special.add_decoder());
  for (const auto& [role, fallback] : family->special_tokens) {
    using Spaces = SpecialTokens::Spaces;
    const bool takes_space = family->mask_takes_space && role == "mask_token";
    if (role.empty()) continue;
    WDE_RETURN_IF_ERROR(
        special.add_role(role, fallback, takes_space ? Spaces::kTakenFromLeft : Spaces::kStay));
  }
  WDE_RETURN_IF_ERROR(special.add_others());
  const auto token_and_id = [&](std::string_view role) {
    const std::string token = special.role(role);
    const std::optional<int64_t> id = id_of(token);
    return std::pair(token, id ? value(*id) : value(nullptr));
  };
  const auto cls = token_and_id("cls_token"), sep = token_and_id("sep_token");
  if (cls.second.is_null() || sep.second.is_null()) {
    return data_loss_error("{}/vocab.txt lacks \"{}\" or \"{}\"", folder, cls.first, sep.first);
  }
  object spec;
  WDE_ASSIGN_OR_RETURN(spec["normalizer"], make_normalizer_spec(special.config()));
  spec["pre_tokenizer"] = {{"type", "BertPreTokenizer"}};
  spec["post_processor"] = make_post_processor_spec(family->post_processor, cls, sep);
  spec["decoder"] = {{"type", "WordPiece"}, {"prefix", "##"}, {"cleanup", true}};
  const std::string unknown = special.role("unk_token");
  spec["added_tokens"] = special.take(static_cast<int64_t>(vocabulary.size()), id_of);
  spec["model"] = {{"type", "WordPiece"},
                   {"unk_token", unknown},
                   {"continuing_subword_prefix", "##"},
                   {"max_input_chars_per_word", 100}};
  spec["model"].as_object()["vocab"] = std::move(vocabulary);
  return spec;
}

}  // namespace wde::tokenizer
