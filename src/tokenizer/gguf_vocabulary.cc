#include "tokenizer/gguf_vocabulary.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/utf8.h"
#include "tokenizer/sentencepiece_merges.h"
#include "tokenizer/sentencepiece_model.h"
#include "tokenizer/special_tokens.h"
#include "tokenizer/vocabulary.h"
#include "tokenizer/word_patterns.h"

namespace wde::tokenizer {
namespace {

using json::array;
using json::object;
using json::value;
using Kind = SentencepieceModel::Kind;  // of tokens, numbered as llama.cpp's llama_token_type
using Piece = SentencepieceModel::Piece;

constexpr std::string_view kSpaceSign = "\u2581";

// One way to cut text into words before byte-level BPE (llama.cpp, enum llama_vocab_pre_type).
struct PreTokenizer {
  std::string_view name;
  std::string_view pattern;  // empty: GPT-2's own
  bool normalizes = false;   // NFC before, as the model's own tokenizer does
  bool ignores_merges = false;
  bool adds_bos = false;
};
constexpr PreTokenizer kPreTokenizers[] = {
    {.name = "gpt-2", .pattern = {}},
    {.name = "llama-bpe", .pattern = kLlama3WordPattern, .ignores_merges = true, .adds_bos = true},
    {.name = "llama3", .pattern = kLlama3WordPattern, .ignores_merges = true, .adds_bos = true},
    {.name = "qwen2", .pattern = kQwen2WordPattern, .normalizes = true},
};

// The keys of tokens with a role of their own, spelt as in files ("seperator" by older writers).
constexpr auto kRoles = std::to_array<std::string_view>(
    {"bos_token_id", "eos_token_id", "unknown_token_id", "padding_token_id", "seperator_token_id",
     "separator_token_id", "cls_token_id", "mask_token_id"});

object part_spec(std::string_view type) { return {{"type", type}}; }

object replace_spec(std::string_view from, std::string_view to) {
  return {{"type", "Replace"}, {"pattern", {{"String", from}}}, {"content", to}};
}

class GgufVocabulary {
 public:
  static Result<GgufVocabulary> read(const object& fields) {
    GgufVocabulary vocabulary(fields);
    WDE_RETURN_IF_ERROR(vocabulary.read_pieces());
    WDE_RETURN_IF_ERROR(vocabulary.index());
    return vocabulary;
  }

  // Fills `ids` from `pieces`. Errors: kDataLoss for a text that two tokens have, of which neither
  // could be told from the other (llama.cpp gives up on such a file too).
  Status index() {
    ids.clear();
    for (size_t id = 0; id < pieces.size(); ++id) {
      const std::string& text = pieces[id].text;
      const auto [first, added] = ids.emplace(text, static_cast<int64_t>(id));
      if (added || text.empty()) continue;
      return data_loss_error("the tokens {} and {} are both \"{}\"", first->second, id, text);
    }
    return {};
  }

  // Whether the token stands for no text of its own: by its type, or a role that a key gives it.
  bool is_control(size_t id) const {
    const Kind kind = pieces[id].kind;
    if (kind == Kind::kControl || kind == Kind::kUnknown) return true;
    return std::any_of(kRoles.begin(), kRoles.end(), [&](std::string_view key) {
      const auto named = json::get_int(fields, key, -1);
      return named.ok() && *named == static_cast<int64_t>(id);
    });
  }

  // The text of the token that a key names; empty where there is none (llama.cpp writes 2^32 - 1).
  Result<std::string> role(std::string_view key) const {
    WDE_ASSIGN_OR_RETURN(const int64_t id, json::get_int(fields, key, -1));
    if (id == -1 || id == int64_t{0xffffffff}) return std::string();
    if (id < 0 || static_cast<size_t>(id) >= pieces.size())
      return data_loss_error("\"{}\" is {}, outside the vocabulary", key, id);
    return pieces[static_cast<size_t>(id)].text;
  }

  value vocab() const {
    object vocab;
    vocab.reserve(pieces.size());
    for (size_t id = 0; id < pieces.size(); ++id) vocab[pieces[id].text] = static_cast<int64_t>(id);
    return vocab;
  }

  // Control tokens, those that the user defined, and the ones given.
  array added_tokens(const std::vector<std::string>& roles) const {
    array added;
    for (size_t id = 0; id < pieces.size(); ++id) {
      const Piece& piece = pieces[id];
      const bool named =
          !piece.text.empty() && std::find(roles.begin(), roles.end(), piece.text) != roles.end();
      const bool control = piece.kind == Kind::kControl || named;
      if (!control && piece.kind != Kind::kUserDefined) continue;
      if (piece.text.empty()) continue;
      added.push_back(object{{"id", static_cast<int64_t>(id)},
                             {"content", piece.text},
                             {"special", control},
                             {"normalized", false},
                             {"single_word", false},
                             {"lstrip", false},
                             {"rstrip", false}});
    }
    return added;
  }

  const object& fields;
  std::vector<Piece> pieces;  // by id
  PieceIds ids;

 private:
  explicit GgufVocabulary(const object& from) : fields(from) {}

  Status read_pieces() {
    WDE_ASSIGN_OR_RETURN(const array* tokens, json::get_array(fields, "tokens"));
    WDE_ASSIGN_OR_RETURN(const array* scores, json::get_array(fields, "scores"));
    WDE_ASSIGN_OR_RETURN(const array* kinds, json::get_array(fields, "token_type"));
    if (tokens == nullptr || tokens->empty()) return data_loss_error("\"tokens\" is missing");
    if ((scores != nullptr && scores->size() != tokens->size()) ||
        (kinds != nullptr && kinds->size() != tokens->size())) {
      return data_loss_error("\"scores\" or \"token_type\" has not one entry for each of {} tokens",
                             tokens->size());
    }
    pieces.reserve(tokens->size());
    for (size_t i = 0; i < tokens->size(); ++i) {
      const auto* text = (*tokens)[i].if_string();
      if (text == nullptr || !is_valid_utf8(*text))
        return data_loss_error("token {} is no UTF-8 string", i);
      if (text->size() > kMaxTokenBytes) {
        return data_loss_error("token {} has {} bytes; at most {} are supported", i, text->size(),
                               kMaxTokenBytes);
      }
      Piece piece{std::string(*text)};
      if (scores != nullptr) {
        const double* score = (*scores)[i].if_double();
        if (score == nullptr || !std::isfinite(*score))
          return data_loss_error("the score of token {} is no finite number", i);
        piece.score = static_cast<float>(*score);
      }
      if (kinds != nullptr) {
        const int64_t* kind = (*kinds)[i].if_int64();
        if (kind == nullptr || *kind < 0 || *kind > 6)
          return data_loss_error("the type of token {} is not from 0 to 6", i);
        if (*kind > 0) piece.kind = static_cast<Kind>(*kind);
      }
      pieces.push_back(std::move(piece));
    }
    return {};
  }
};

// TemplateProcessing with these tokens around each text; empty ones are left out.
Result<value> make_template(const GgufVocabulary& vocabulary, const std::string& before,
                            const std::string& behind, bool bert) {
  object tokens;
  const auto add = [&](array& to, const std::string& token, int type) -> Status {
    if (token.empty()) return {};
    const auto found = vocabulary.ids.find(token);
    if (found == vocabulary.ids.end()) return data_loss_error("no token \"{}\"", token);
    tokens[token] = {{"id", token}, {"ids", array{found->second}}, {"tokens", array{value(token)}}};
    to.push_back(template_piece("SpecialToken", token, type));
    return {};
  };
  array single, pair;
  for (const int type : {0, 1}) {
    // BERT's second text has no [CLS].
    if (type == 0 || !bert) WDE_RETURN_IF_ERROR(add(pair, before, type));
    pair.push_back(template_piece("Sequence", type == 0 ? "A" : "B", type));
    WDE_RETURN_IF_ERROR(add(pair, behind, type));
    if (type == 0) single = pair;
  }
  return value{{"type", "TemplateProcessing"},
               {"single", std::move(single)},
               {"pair", std::move(pair)},
               {"special_tokens", std::move(tokens)}};
}

// The begin and end of every text, where the file or the kind of vocabulary asks for them.
Result<value> begin_and_end(const GgufVocabulary& vocabulary, bool adds_bos) {
  WDE_ASSIGN_OR_RETURN(const bool bos,
                       json::get_bool(vocabulary.fields, "add_bos_token", adds_bos));
  WDE_ASSIGN_OR_RETURN(const bool eos, json::get_bool(vocabulary.fields, "add_eos_token", false));
  WDE_ASSIGN_OR_RETURN(const std::string begin, vocabulary.role("bos_token_id"));
  WDE_ASSIGN_OR_RETURN(const std::string end, vocabulary.role("eos_token_id"));
  // llama.cpp would take the id that its kind of vocabulary has as a rule.
  if (bos && begin.empty() && vocabulary.fields.contains("add_bos_token"))
    return data_loss_error("\"add_bos_token\" without a \"bos_token_id\"");
  if (eos && end.empty()) return data_loss_error("\"add_eos_token\" without an \"eos_token_id\"");
  return make_template(vocabulary, bos ? begin : "", eos ? end : "", false);
}

Result<array> special_tokens(const GgufVocabulary& vocabulary) {
  std::vector<std::string> roles;
  for (const std::string_view key : kRoles) {
    WDE_ASSIGN_OR_RETURN(std::string token, vocabulary.role(key));
    roles.push_back(std::move(token));
  }
  return vocabulary.added_tokens(roles);
}

// Sentencepiece's BPE with byte fallback: Llama 2, Mistral, Gemma.
Result<object> by_scores(const GgufVocabulary& vocabulary) {
  WDE_ASSIGN_OR_RETURN(const bool prefix,
                       json::get_bool(vocabulary.fields, "add_space_prefix", true));
  WDE_ASSIGN_OR_RETURN(std::string unknown, vocabulary.role("unknown_token_id"));
  if (unknown.empty()) unknown = vocabulary.pieces.front().text;
  object spec;
  // A text that begins with a space gets one more, as Llama 2's tokenizer.json has it.
  array normalizers;
  if (prefix) normalizers.push_back({{"type", "Prepend"}, {"prepend", kSpaceSign}});
  normalizers.push_back(replace_spec(" ", kSpaceSign));
  spec["normalizer"] = {{"type", "Sequence"}, {"normalizers", std::move(normalizers)}};
  array decoders = {replace_spec(kSpaceSign, " "), part_spec("ByteFallback"), part_spec("Fuse")};
  if (prefix) decoders.push_back({{"type", "Strip"}, {"content", " "}, {"start", 1}, {"stop", 0}});
  spec["decoder"] = {{"type", "Sequence"}, {"decoders", std::move(decoders)}};
  spec["model"] = {
      {"type", "BPE"}, {"unk_token", unknown}, {"fuse_unk", true}, {"byte_fallback", true}};
  WDE_ASSIGN_OR_RETURN(spec["model"].as_object()["merges"],
                       merges_of_pieces(vocabulary.pieces, vocabulary.ids));
  WDE_ASSIGN_OR_RETURN(spec["post_processor"], begin_and_end(vocabulary, true));
  return spec;
}

Result<const PreTokenizer*> find_pre_tokenizer(const object& fields) {
  WDE_ASSIGN_OR_RETURN(const std::string name, json::get_string(fields, "pre", ""));
  std::string known;
  for (const PreTokenizer& pre : kPreTokenizers) {
    if (pre.name == name) return &pre;
    known += fmt::format("{}{}", known.empty() ? "" : ", ", pre.name);
  }
  return unsupported_error("\"tokenizer.ggml.pre\": \"{}\"; known: {}", name, known);
}

Result<object> by_merges(const GgufVocabulary& vocabulary) {
  WDE_ASSIGN_OR_RETURN(const PreTokenizer* pre, find_pre_tokenizer(vocabulary.fields));
  WDE_ASSIGN_OR_RETURN(const array* merges, json::get_array(vocabulary.fields, "merges"));
  if (merges == nullptr) return data_loss_error("\"merges\" is missing");
  for (const value& merge : *merges) {
    if (!merge.is_string() || !is_valid_utf8(merge.get_string()))
      return data_loss_error("\"merges\" must hold UTF-8 strings");
  }
  object spec;
  const object bytes = {
      {"type", "ByteLevel"}, {"add_prefix_space", false}, {"use_regex", pre->pattern.empty()}};
  if (pre->normalizes) spec["normalizer"] = part_spec("NFC");
  if (pre->pattern.empty()) {
    spec["pre_tokenizer"] = bytes;
  } else {
    spec["pre_tokenizer"] = {{"type", "Sequence"},
                             {"pretokenizers", array{{{"type", "Split"},
                                                      {"pattern", {{"Regex", pre->pattern}}},
                                                      {"behavior", "Isolated"},
                                                      {"invert", false}},
                                                     bytes}}};
  }
  spec["decoder"] = part_spec("ByteLevel");
  spec["model"] = {{"type", "BPE"}, {"ignore_merges", pre->ignores_merges}, {"merges", *merges}};
  WDE_ASSIGN_OR_RETURN(spec["post_processor"], begin_and_end(vocabulary, pre->adds_bos));
  return spec;
}

// llama.cpp keeps words with the space sign before them and continuations bare; here it is the
// other way round, as in vocab.txt. Tokens that stand for no text, and what is in brackets, have
// neither. It lower-cases and strips accents whatever the model.
Result<object> by_word_pieces(GgufVocabulary* vocabulary) {
  for (size_t id = 0; id < vocabulary->pieces.size(); ++id) {
    std::string& text = vocabulary->pieces[id].text;
    const bool bracketed = text.starts_with('[') && text.ends_with(']');
    if (text.starts_with(kSpaceSign)) {
      text.erase(0, kSpaceSign.size());
    } else if (!bracketed && !vocabulary->is_control(id)) {
      text.insert(0, "##");
    }
  }
  WDE_RETURN_IF_ERROR(vocabulary->index());
  const object& fields = vocabulary->fields;
  const char* begins = fields.contains("cls_token_id") ? "cls_token_id" : "bos_token_id";
  const char* ends = fields.contains("seperator_token_id")   ? "seperator_token_id"
                     : fields.contains("separator_token_id") ? "separator_token_id"
                                                             : "eos_token_id";
  WDE_ASSIGN_OR_RETURN(const std::string cls, vocabulary->role(begins));
  WDE_ASSIGN_OR_RETURN(const std::string sep, vocabulary->role(ends));
  WDE_ASSIGN_OR_RETURN(std::string unknown, vocabulary->role("unknown_token_id"));
  if (cls.empty() || sep.empty())
    return data_loss_error("\"cls_token_id\" or \"seperator_token_id\" is missing");
  if (unknown.empty()) unknown = "[UNK]";
  object spec;
  spec["normalizer"] = {{"type", "BertNormalizer"},
                        {"clean_text", true},
                        {"handle_chinese_chars", true},
                        {"strip_accents", nullptr},
                        {"lowercase", true}};
  spec["pre_tokenizer"] = part_spec("BertPreTokenizer");
  spec["decoder"] = {{"type", "WordPiece"}, {"prefix", "##"}, {"cleanup", true}};
  spec["model"] = {{"type", "WordPiece"},
                   {"unk_token", unknown},
                   {"continuing_subword_prefix", "##"},
                   {"max_input_chars_per_word", 100}};
  WDE_ASSIGN_OR_RETURN(spec["post_processor"], make_template(*vocabulary, cls, sep, true));
  return spec;
}

}  // namespace

Result<object> spec_from_gguf(const object& fields) {
  WDE_ASSIGN_OR_RETURN(const std::string model, json::get_string(fields, "model", ""));
  WDE_ASSIGN_OR_RETURN(GgufVocabulary vocabulary, GgufVocabulary::read(fields));
  object spec;
  if (model == "llama") {
    WDE_ASSIGN_OR_RETURN(spec, by_scores(vocabulary));
  } else if (model == "gpt2") {
    WDE_ASSIGN_OR_RETURN(spec, by_merges(vocabulary));
  } else if (model == "bert") {
    WDE_ASSIGN_OR_RETURN(spec, by_word_pieces(&vocabulary));
  } else {
    return unsupported_error("\"tokenizer.ggml.model\": \"{}\"; known: llama, gpt2, bert", model);
  }
  spec["model"].as_object()["vocab"] = vocabulary.vocab();
  WDE_ASSIGN_OR_RETURN(spec["added_tokens"], special_tokens(vocabulary));
  return spec;
}

}  // namespace wde::tokenizer
