#include "tokenizer/sentencepiece_folder.h"

#include <algorithm>

#include "base/file.h"
#include "tokenizer/base64.h"
#include "tokenizer/legacy_folder.h"
#include "tokenizer/sentencepiece_family.h"
#include "tokenizer/sentencepiece_merges.h"
#include "tokenizer/sentencepiece_model.h"
#include "tokenizer/special_tokens.h"

namespace wde::tokenizer {
namespace {

using json::array;
using json::object;
using json::value;

constexpr std::string_view kSpaceSign = "\u2581";

// Everything that the sections of the tokenizer are made from.
struct Source {
  const SentencepieceFamily& family;
  const SentencepieceModel& model;
  SpecialTokens& special;
  const object& config;  // tokenizer_config.json
};

using Piece = SentencepieceModel::Piece;

// (transformers, convert_slow_tokenizer.py: the converters' vocab() and convert_from_spm().)
Result<std::vector<Piece>> lay_out(const Source& from) {
  const std::vector<Piece>& pieces = from.model.pieces;
  std::vector<Piece> result;
  const auto add = [&](std::string text, float score = 0) {
    result.push_back({std::move(text), score});
  };
  const auto add_from = [&](size_t first) {
    result.insert(result.end(),
                  pieces.begin() + static_cast<ptrdiff_t>(std::min(first, pieces.size())),
                  pieces.end());
  };
  const auto role = [&](std::string_view name) { return from.special.role(name); };
  switch (from.family.layout) {
    case Layout::kAsTheyAre:
      add_from(0);
      break;
    case Layout::kXlmRoberta:
      for (const char* name : {"bos_token", "pad_token", "eos_token", "unk_token"}) add(role(name));
      add_from(3);
      add(role("mask_token"));
      break;
    case Layout::kCamembert:
      add("<s>NOTUSED");
      add(role("pad_token"));
      add("</s>NOTUSED");
      add(role("unk_token"));
      add("<unk>NOTUSED", -100);
      add_from(1);
      add(role("mask_token"));
      break;
    case Layout::kT5: {
      WDE_ASSIGN_OR_RETURN(const int64_t extra, json::get_int(from.config, "extra_ids", 100));
      if (extra < 0 || extra > 10000) return data_loss_error("\"extra_ids\" is {}", extra);
      add_from(0);
      for (int64_t i = extra; i-- > 0;) add(fmt::format("<extra_id_{}>", i));
      break;
    }
  }
  return result;
}

// ALBERT does not want "1," as one token.
void avoid_numbers_with_commas(std::vector<Piece>& pieces) {
  for (Piece& piece : pieces) {
    const std::string_view text = piece.text;
    const char before = text.size() < 2 ? ' ' : text[text.size() - 2];
    if (text.ends_with(',') && before >= '0' && before <= '9') piece.score -= 100;
  }
}

Result<object> make_bpe_spec(const Source& from, const std::vector<Piece>& pieces,
                             const PieceIds& ids) {
  object vocab;
  vocab.reserve(pieces.size());
  for (size_t id = 0; id < pieces.size(); ++id) vocab[pieces[id].text] = static_cast<int64_t>(id);
  object spec = {{"type", "BPE"},
                 {"unk_token", from.model.unknown_piece},
                 {"fuse_unk", true},
                 {"byte_fallback", from.family.byte_fallback}};
  spec["vocab"] = std::move(vocab);
  WDE_ASSIGN_OR_RETURN(spec["merges"], merges_of_pieces(pieces, ids));
  return spec;
}

object make_unigram_spec(const Source& from, const std::vector<Piece>& pieces) {
  array vocab;
  vocab.reserve(pieces.size());
  for (const Piece& piece : pieces)
    vocab.push_back(array{value(piece.text), value(static_cast<double>(piece.score))});
  const bool shifted =
      from.family.layout == Layout::kXlmRoberta || from.family.layout == Layout::kCamembert;
  object spec = {{"type", "Unigram"},
                 {"unk_id", shifted ? 3 : from.model.unknown_id},
                 {"byte_fallback", from.family.byte_fallback}};
  spec["vocab"] = std::move(vocab);
  return spec;
}

Result<object> make_model_spec(const Source& from, const std::vector<Piece>& pieces,
                               const PieceIds& ids) {
  using Algorithm = SentencepieceModel::Algorithm;
  if (from.model.space_is_suffix)
    return unsupported_error("a sentencepiece model with treat_whitespace_as_suffix");
  if (from.model.algorithm == Algorithm::kUnigram) return make_unigram_spec(from, pieces);
  if (from.model.algorithm == Algorithm::kBpe) return make_bpe_spec(from, pieces, ids);
  return unsupported_error("a sentencepiece model of type {}; known: 1 (unigram), 2 (BPE)",
                           static_cast<int>(from.model.algorithm));
}

object part_spec(std::string_view type) { return {{"type", type}}; }

object replace_spec(const char* kind, std::string_view pattern, std::string_view content) {
  return {{"type", "Replace"}, {"pattern", {{kind, pattern}}}, {"content", content}};
}

// The normalizers of ALBERT and DeBERTa before and behind the model's own.
Result<value> make_normalizer_spec(const Source& from) {
  const std::string_view name = from.family.tokenizer_class;
  array parts;
  const bool albert = name == "AlbertTokenizer", deberta = name == "DebertaV2Tokenizer";
  WDE_ASSIGN_OR_RETURN(const bool lowercase, json::get_bool(from.config, "do_lower_case", albert));
  WDE_ASSIGN_OR_RETURN(const bool keep_accents, json::get_bool(from.config, "keep_accents", false));
  if (albert) {
    parts.push_back(replace_spec("String", "``", "\""));
    parts.push_back(replace_spec("String", "''", "\""));
    if (!keep_accents) {
      parts.push_back(part_spec("NFKD"));
      parts.push_back(part_spec("StripAccents"));
    }
  }
  if (lowercase && (albert || deberta)) parts.push_back(part_spec("Lowercase"));
  if (deberta) parts.push_back({{"type", "Strip"}, {"strip_left", true}, {"strip_right", true}});
  if (name == "GemmaTokenizer") {
    parts.push_back(replace_spec("String", " ", kSpaceSign));
  } else if (name != "LlamaTokenizer" && !from.model.charsmap.empty()) {
    parts.push_back(
        {{"type", "Precompiled"}, {"precompiled_charsmap", encode_base64(from.model.charsmap)}});
  }
  if (deberta) parts.push_back(replace_spec("Regex", " {2,}", " "));
  if (parts.empty()) return value(nullptr);
  return value{{"type", "Sequence"}, {"normalizers", std::move(parts)}};
}

Result<value> make_pre_tokenizer_spec(const Source& from) {
  const std::string_view name = from.family.tokenizer_class;
  if (name == "GemmaTokenizer") return value(nullptr);  // its spaces are gone by now
  WDE_ASSIGN_OR_RETURN(const bool prefix, json::get_bool(from.config, "add_prefix_space", true));
  WDE_ASSIGN_OR_RETURN(const bool by_punctuation,
                       json::get_bool(from.config, "split_by_punct", false));
  WDE_ASSIGN_OR_RETURN(const bool legacy, json::get_bool(from.config, "legacy", false));
  const bool llama = name == "LlamaTokenizer";
  const value metaspace = {{"type", "Metaspace"},
                           {"replacement", kSpaceSign},
                           {"prepend_scheme", !prefix            ? "never"
                                              : llama && !legacy ? "first"
                                                                 : "always"},
                           {"split", !llama}};
  if (llama) return metaspace;
  array parts;
  if (name != "DebertaV2Tokenizer")
    parts.push_back(part_spec("WhitespaceSplit"));
  else if (by_punctuation)
    parts.push_back({{"type", "Punctuation"}, {"behavior", "Isolated"}});
  parts.push_back(metaspace);
  return value{{"type", "Sequence"}, {"pretokenizers", std::move(parts)}};
}

Result<value> make_decoder_spec(const Source& from) {
  WDE_ASSIGN_OR_RETURN(const bool prefix, json::get_bool(from.config, "add_prefix_space", true));
  if (!from.family.byte_fallback) {
    return value{{"type", "Metaspace"},
                 {"replacement", kSpaceSign},
                 {"prepend_scheme", prefix ? "always" : "never"},
                 {"split", true}};
  }
  array parts = {replace_spec("String", kSpaceSign, " "), part_spec("ByteFallback"),
                 part_spec("Fuse")};
  if (prefix && from.family.tokenizer_class == "LlamaTokenizer")
    parts.push_back({{"type", "Strip"}, {"content", " "}, {"start", 1}, {"stop", 0}});
  return value{{"type", "Sequence"}, {"decoders", std::move(parts)}};
}

// A template for TemplateProcessing, written piece by piece.
class TemplateSpec {
 public:
  using FindId = std::function<std::optional<int64_t>(std::string_view)>;
  explicit TemplateSpec(FindId find_id) : find_id_(std::move(find_id)) {}

  // Errors: kDataLoss for a token that has no id.
  Status add(array& to, std::string_view token, int type_id) {
    const std::optional<int64_t> id = find_id_(token);
    if (!id) return data_loss_error("the special token \"{}\" is in no vocabulary", token);
    special_tokens_[token] = {{"id", token}, {"ids", array{*id}}, {"tokens", array{value(token)}}};
    to.push_back(template_piece("SpecialToken", token, type_id));
    return {};
  }
  value take(array single, array pair) {
    return {{"type", "TemplateProcessing"},
            {"single", std::move(single)},
            {"pair", std::move(pair)},
            {"special_tokens", std::move(special_tokens_)}};
  }

 private:
  FindId find_id_;
  object special_tokens_;
};

// The tokens around each text; behind the first of a pair may stand more.
struct Framing {
  std::string before, behind, between;
  int pair_type = 0;
};

Result<Framing> framing_of(const Source& from) {
  const auto role = [&](std::string_view name) { return from.special.role(name); };
  switch (from.family.frame) {
    case Frame::kRoberta:  // the second text of a pair has eos before it, no bos
      return Framing{role("bos_token"), role("eos_token"), role("eos_token"), 0};
    case Frame::kT5:
      return Framing{"", role("eos_token"), "", 0};
    case Frame::kBert:
      return Framing{role("cls_token"), role("sep_token"), "", 1};
    case Frame::kAsConfigured:
      break;
  }
  WDE_ASSIGN_OR_RETURN(const bool bos, json::get_bool(from.config, "add_bos_token", true));
  WDE_ASSIGN_OR_RETURN(const bool eos, json::get_bool(from.config, "add_eos_token", false));
  return Framing{bos ? role("bos_token") : "", eos ? role("eos_token") : "",
                 bos ? role("bos_token") : "", 1};
}

Result<value> make_post_processor_spec(const Source& from, TemplateSpec::FindId find_id) {
  WDE_ASSIGN_OR_RETURN(const Framing framing, framing_of(from));
  TemplateSpec spec(std::move(find_id));
  array single;
  if (!framing.before.empty()) WDE_RETURN_IF_ERROR(spec.add(single, framing.before, 0));
  single.push_back(template_piece("Sequence", "A", 0));
  if (!framing.behind.empty()) WDE_RETURN_IF_ERROR(spec.add(single, framing.behind, 0));
  array pair = single;
  if (!framing.between.empty())
    WDE_RETURN_IF_ERROR(spec.add(pair, framing.between, framing.pair_type));
  pair.push_back(template_piece("Sequence", "B", framing.pair_type));
  if (!framing.behind.empty())
    WDE_RETURN_IF_ERROR(spec.add(pair, framing.behind, framing.pair_type));
  return spec.take(std::move(single), std::move(pair));
}

// What the model and the family call special, where the folder's files don't say otherwise.
Status add_special_pieces(const Source& from, const std::vector<Piece>& pieces) {
  using Kind = SentencepieceModel::Kind;
  const auto add = [&](std::string_view content, bool special) {
    return from.special.add({{"content", content}, {"special", special}, {"normalized", false}});
  };
  for (const Piece& piece : from.model.pieces) {
    const bool turn = from.family.tokenizer_class == "GemmaTokenizer" &&
                      (piece.text == "<start_of_turn>" || piece.text == "<end_of_turn>");
    if (piece.kind != Kind::kControl && piece.kind != Kind::kUserDefined) continue;
    WDE_RETURN_IF_ERROR(add(piece.text, piece.kind == Kind::kControl || turn));
  }
  for (const Piece& piece : pieces) {
    const bool added =
        (from.family.layout == Layout::kT5 && piece.text.starts_with("<extra_id_")) ||
        (from.family.layout == Layout::kCamembert && piece.text.ends_with(">NOTUSED"));
    if (added) WDE_RETURN_IF_ERROR(add(piece.text, true));
  }
  return {};
}

Status add_roles(const SentencepieceFamily& family, SpecialTokens& special) {
  using Spaces = SpecialTokens::Spaces;
  for (const char* role : {"bos_token", "eos_token", "unk_token", "sep_token", "pad_token",
                           "cls_token", "mask_token"}) {
    std::string_view fallback;
    for (const auto& [name, token] : family.roles) {
      if (name == role) fallback = token;
    }
    const bool takes_space = family.mask_takes_space && std::string_view(role) == "mask_token";
    WDE_RETURN_IF_ERROR(
        special.add_role(role, fallback, takes_space ? Spaces::kTakenFromLeft : Spaces::kStay));
  }
  return {};
}

}  // namespace

Result<object> spec_from_sentencepiece(const std::string& folder, const std::string& file) {
  WDE_ASSIGN_OR_RETURN(const std::string bytes,
                       read_file(folder + "/" + file, kMaxTokenizerFileBytes));
  WDE_ASSIGN_OR_RETURN(const SentencepieceModel model, SentencepieceModel::parse(bytes));
  WDE_ASSIGN_OR_RETURN(SpecialTokens special, SpecialTokens::read(folder));
  WDE_ASSIGN_OR_RETURN(const SentencepieceFamily* family,
                       find_sentencepiece_family(folder, special.config()));
  const Source source = {*family, model, special, special.config()};
  WDE_RETURN_IF_ERROR(special.add_decoder());
  WDE_RETURN_IF_ERROR(add_roles(*family, special));
  WDE_ASSIGN_OR_RETURN(std::vector<Piece> pieces, lay_out(source));
  if (family->tokenizer_class == "AlbertTokenizer") avoid_numbers_with_commas(pieces);
  WDE_RETURN_IF_ERROR(special.add_others());
  WDE_RETURN_IF_ERROR(add_special_pieces(source, pieces));
  PieceIds ids;
  for (size_t id = 0; id < pieces.size(); ++id) ids[pieces[id].text] = static_cast<int64_t>(id);
  const auto id_of = [&ids](std::string_view token) -> std::optional<int64_t> {
    const auto found = ids.find(token);
    return found == ids.end() ? std::nullopt : std::optional(found->second);
  };
  object spec;
  const array added = special.take(static_cast<int64_t>(pieces.size()), id_of);
  const auto id_of_any = [&](std::string_view token) -> std::optional<int64_t> {
    for (const value& entry : added) {
      if (entry.at("content").as_string() == token) return entry.at("id").as_int64();
    }
    return id_of(token);
  };
  WDE_ASSIGN_OR_RETURN(spec["post_processor"], make_post_processor_spec(source, id_of_any));
  WDE_ASSIGN_OR_RETURN(spec["normalizer"], make_normalizer_spec(source));
  WDE_ASSIGN_OR_RETURN(spec["pre_tokenizer"], make_pre_tokenizer_spec(source));
  WDE_ASSIGN_OR_RETURN(spec["decoder"], make_decoder_spec(source));
  WDE_ASSIGN_OR_RETURN(spec["model"], make_model_spec(source, pieces, ids));
  spec["added_tokens"] = added;
  return spec;
}

}  // namespace wde::tokenizer
