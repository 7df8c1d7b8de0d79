#include "tokenizer/merges_folder.h"

#include <algorithm>

#include "base/file.h"
#include "base/utf8.h"
#include "tokenizer/legacy_folder.h"
#include "tokenizer/special_tokens.h"
#include "tokenizer/word_patterns.h"

namespace wde::tokenizer {
namespace {

using json::array;
using json::object;
using json::value;

constexpr std::string_view kClipWordPattern =
    R"(<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+)";

enum class Kind { kGpt2, kRoberta, kQwen2, kClip };

// What one class of transformers tokenizers does beyond the others.
struct Family {
  Kind kind;
  std::string_view classes[4];      // in tokenizer_config.json, without "Fast"
  std::string_view model_types[5];  // in config.json, for folders that name no class
  // Role and the token it has by default, if any, in the order transformers adds them.
  std::pair<std::string_view, std::string_view> special_tokens[7];
};

constexpr std::string_view kEnd = "<|endoftext|>";
constexpr Family kFamilies[] = {
    {Kind::kGpt2,
     {"GPT2Tokenizer"},
     {"gpt2"},
     {{"bos_token", kEnd}, {"eos_token", kEnd}, {"unk_token", kEnd}, {"pad_token", ""}}},
    {Kind::kRoberta,
     {"RobertaTokenizer", "LongformerTokenizer", "BartTokenizer"},
     {"roberta", "roberta-prelayernorm", "longformer", "bart"},
     {{"bos_token", "<s>"},
      {"eos_token", "</s>"},
      {"unk_token", "<unk>"},
      {"sep_token", "</s>"},
      {"pad_token", "<pad>"},
      {"cls_token", "<s>"},
      {"mask_token", "<mask>"}}},
    {Kind::kQwen2,
     {"Qwen2Tokenizer"},
     {"qwen2", "qwen2_moe", "qwen3", "qwen3_moe"},
     {{"bos_token", ""}, {"eos_token", kEnd}, {"unk_token", kEnd}, {"pad_token", kEnd}}},
    {Kind::kClip,
     {"CLIPTokenizer"},
     {"clip", "clip_text_model"},
     {{"bos_token", "<|startoftext|>"},
      {"eos_token", kEnd},
      {"unk_token", kEnd},
      {"pad_token", kEnd}}},
};

template <size_t kCount>
bool is_one_of(std::string_view name, const std::string_view (&names)[kCount]) {
  return !name.empty() && std::find(names, names + kCount, name) != names + kCount;
}

Result<const Family*> find_family(const std::string& folder, const object& config) {
  WDE_ASSIGN_OR_RETURN(std::string name, json::get_string(config, "tokenizer_class", ""));
  if (name.ends_with("Fast")) name.resize(name.size() - 4);
  std::string type;
  if (name.empty()) {
    WDE_ASSIGN_OR_RETURN(const object model_config, read_json_object(folder + "/config.json"));
    WDE_ASSIGN_OR_RETURN(type, json::get_string(model_config, "model_type", ""));
  }
  std::string known;
  for (const Family& family : kFamilies) {
    if (is_one_of(name, family.classes) || is_one_of(type, family.model_types)) return &family;
    for (const std::string_view known_class : family.classes) {
      if (known_class.empty()) continue;
      known += known.empty() ? "" : ", ";
      known += known_class;
    }
  }
  return unsupported_error(
      "tokenizer_class \"{}\" (model_type \"{}\") without tokenizer.json; known with vocab.json "
      "and merges.txt: {}",
      name, type, known);
}

// One merge a line; a first line may tell the version.
Result<array> read_merges(const std::string& path) {
  WDE_ASSIGN_OR_RETURN(const std::string text, read_file(path, kMaxTokenizerFileBytes));
  if (!is_valid_utf8(text)) return data_loss_error("{}: not UTF-8", path);
  array merges;
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find('\n', at), text.size());
    std::string_view line = std::string_view(text).substr(at, end - at);
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (!line.empty()) merges.emplace_back(line);
    at = end + 1;
  }
  return merges;
}

class SpecMaker {
 public:
  SpecMaker(const Family& family, SpecialTokens& special, const object& vocabulary)
      : family_(family), special_(special), vocabulary_(vocabulary) {}

  Status add_special_tokens() {
    WDE_RETURN_IF_ERROR(special_.add_decoder());
    for (const auto& [role, fallback] : family_.special_tokens) {
      if (role.empty()) continue;
      const value* given = special_.config().if_contains(role);
      const bool none = given == nullptr ? fallback.empty() : given->is_null();
      if (none) continue;
      WDE_RETURN_IF_ERROR(special_.add_role(role, fallback, SpecialTokens::Spaces::kStay));
    }
    return special_.add_others();
  }

  // Everything but the model's vocabulary and merges.
  Result<object> make() {
    const object& config = special_.config();
    WDE_ASSIGN_OR_RETURN(adds_space_, json::get_bool(config, "add_prefix_space", false));
    object spec;
    spec["pre_tokenizer"] = pre_tokenizer();
    spec["decoder"] = {{"type", "ByteLevel"}};
    spec["model"] = {{"type", "BPE"}};
    if (family_.kind == Kind::kQwen2 || family_.kind == Kind::kClip)
      spec["normalizer"] = {{"type", "NFC"}};
    if (family_.kind == Kind::kClip) {
      spec["normalizer"] = clip_normalizer();
      spec["model"] = {{"type", "BPE"},
                       {"end_of_word_suffix", "</w>"},
                       {"unk_token", special_.role("unk_token")}};
    }
    const auto make_post_processor = family_.kind == Kind::kGpt2 || family_.kind == Kind::kQwen2
                                         ? &SpecMaker::begin_and_end
                                         : &SpecMaker::class_and_separator;
    // Ids are known when all added tokens are.
    const auto id_in_vocabulary = [this](std::string_view token) -> std::optional<int64_t> {
      const value* id = vocabulary_.if_contains(token);
      return id == nullptr || !id->is_int64() ? std::nullopt : std::optional(id->as_int64());
    };
    spec["added_tokens"] =
        special_.take(static_cast<int64_t>(vocabulary_.size()), id_in_vocabulary);
    WDE_ASSIGN_OR_RETURN(spec["post_processor"],
                         (this->*make_post_processor)(spec["added_tokens"].as_array()));
    return spec;
  }

 private:
  value pre_tokenizer() const {
    const bool cuts_itself = family_.kind != Kind::kQwen2;
    const value bytes = {
        {"type", "ByteLevel"}, {"add_prefix_space", adds_space_}, {"use_regex", cuts_itself}};
    if (family_.kind == Kind::kGpt2 || family_.kind == Kind::kRoberta) return bytes;
    const bool qwen2 = family_.kind == Kind::kQwen2;
    const value split = {{"type", "Split"},
                         {"pattern", {{"Regex", qwen2 ? kQwen2WordPattern : kClipWordPattern}}},
                         {"behavior", qwen2 ? "Isolated" : "Removed"},
                         {"invert", !qwen2}};
    return {{"type", "Sequence"}, {"pretokenizers", array{split, bytes}}};
  }

  static value clip_normalizer() {
    const value one_space = {
        {"type", "Replace"}, {"pattern", {{"Regex", "\\s+"}}}, {"content", " "}};
    return {{"type", "Sequence"},
            {"normalizers", array{{{"type", "NFC"}}, one_space, {{"type", "Lowercase"}}}}};
  }

  static Result<int64_t> id_of(std::string_view token, const array& added) {
    for (const value& entry : added) {
      if (entry.at("content").as_string() == token) return entry.at("id").as_int64();
    }
    return data_loss_error("special token \"{}\" has no id", token);
  }

  // <s> A </s> </s> B </s>; CLIP's are its tokens of begin and end.
  Result<value> class_and_separator(const array& added) {
    const bool clip = family_.kind == Kind::kClip;
    const std::string cls = special_.role(clip ? "bos_token" : "cls_token");
    const std::string sep = special_.role(clip ? "eos_token" : "sep_token");
    WDE_ASSIGN_OR_RETURN(const int64_t cls_id, id_of(cls, added));
    WDE_ASSIGN_OR_RETURN(const int64_t sep_id, id_of(sep, added));
    WDE_ASSIGN_OR_RETURN(const bool trims,
                         json::get_bool(special_.config(), "trim_offsets", !clip));
    return value{{"type", "RobertaProcessing"},
                 {"cls", array{cls, cls_id}},
                 {"sep", array{sep, sep_id}},
                 {"trim_offsets", trims && !clip},
                 {"add_prefix_space", adds_space_ && !clip}};
  }

  // The begin before and the end behind each text, where the configuration asks for them.
  Result<value> begin_and_end(const array& added) {
    object tokens;
    array single, pair;
    for (const int type : {0, 1}) {
      array around;
      WDE_RETURN_IF_ERROR(add_piece("bos_token", "add_bos_token", type, added, around, tokens));
      around.push_back(template_piece("Sequence", type == 0 ? "A" : "B", type));
      WDE_RETURN_IF_ERROR(add_piece("eos_token", "add_eos_token", type, added, around, tokens));
      if (type == 0) single = around;
      pair.insert(pair.end(), around.begin(), around.end());
    }
    return value{{"type", "TemplateProcessing"},
                 {"single", single},
                 {"pair", pair},
                 {"special_tokens", tokens}};
  }

  Status add_piece(const char* role, const char* option, int type, const array& added, array& to,
                   object& tokens) {
    WDE_ASSIGN_OR_RETURN(const bool wanted, json::get_bool(special_.config(), option, false));
    const std::string token = special_.role(role);
    if (!wanted || token.empty()) return {};
    WDE_ASSIGN_OR_RETURN(const int64_t id, id_of(token, added));
    to.push_back(template_piece("SpecialToken", token, type));
    tokens[token] = {{"id", token}, {"ids", array{id}}, {"tokens", array{token}}};
    return {};
  }

  const Family& family_;
  SpecialTokens& special_;
  const object& vocabulary_;
  bool adds_space_ = false;
};

}  // namespace

Result<object> spec_from_vocab_and_merges(const std::string& folder) {
  WDE_ASSIGN_OR_RETURN(value parsed,
                       json::parse_file(folder + "/vocab.json", kMaxTokenizerFileBytes));
  if (!parsed.is_object()) return data_loss_error("{}/vocab.json: expected an object", folder);
  object& vocabulary = parsed.as_object();
  WDE_ASSIGN_OR_RETURN(SpecialTokens special, SpecialTokens::read(folder));
  WDE_ASSIGN_OR_RETURN(const Family* family, find_family(folder, special.config()));
  SpecMaker maker(*family, special, vocabulary);
  WDE_RETURN_IF_ERROR(maker.add_special_tokens());
  WDE_ASSIGN_OR_RETURN(object spec, maker.make());
  object& model = spec["model"].as_object();
  WDE_ASSIGN_OR_RETURN(model["merges"], read_merges(folder + "/merges.txt"));
  model["vocab"] = std::move(vocabulary);
  return spec;
}

}  // namespace wde::tokenizer
