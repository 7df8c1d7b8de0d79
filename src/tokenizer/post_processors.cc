// The post-processors: all of them come down to two templates and, for RoBERTa's, the trimming of
// offsets.
#include <algorithm>

#include "tokenizer/registry.h"

namespace wde::tokenizer {
namespace {

using Kind = TemplatePiece::Kind;

// More special tokens than any model has; bounds what a template can add to a text.
constexpr size_t kMaxPieces = 256;

class TemplateProcessor : public PostProcessor {
 public:
  TemplateProcessor(Template single, Template pair)
      : single_(std::move(single)), pair_(std::move(pair)) {}

  const Template& layout(bool pair) const override { return pair ? pair_ : single_; }
  Offset trim(std::string_view, Offset offset, bool) const override { return offset; }
  bool trims() const override { return false; }

 private:
  Template single_;
  Template pair_;
};

// A template whose tokens' offsets leave white space out: RoBERTa's and GPT-2's.
class TrimmingProcessor final : public TemplateProcessor {
 public:
  struct Trimming {
    bool trim_offsets = true;
    bool add_prefix_space = true;
  };
  TrimmingProcessor(Template single, Template pair, Trimming trimming)
      : TemplateProcessor(std::move(single), std::move(pair)), trimming_(trimming) {}

  bool trims() const override { return trimming_.trim_offsets; }

  Offset trim(std::string_view value, Offset offset, bool first) const override {
    uint32_t leading = leading_spaces(value);
    const uint32_t trailing = trailing_spaces(value);
    // One space at the very front is the one that add_prefix_space put there.
    if ((first || offset.begin == 0) && trimming_.add_prefix_space && leading == 1) leading = 0;
    offset.begin = leading == 0 ? offset.begin : std::min(offset.begin + leading, offset.end);
    if (trailing > 0 && offset.end >= trailing)
      offset.end = std::max(offset.end - trailing, offset.begin);
    return offset;
  }

 private:
  // White space, and U+0120, which stands for a space in byte-level vocabularies.
  static bool is_space(char32_t c) {
    return c == 0x120 || (unicode::CharClasses::get().of(c) & unicode::kWhitespace) != 0;
  }
  static uint32_t leading_spaces(std::string_view value) {
    uint32_t count = 0;
    const char* const end = value.data() + value.size();
    for (const char* at = value.data(); at != end && is_space(unicode::next(at));) ++count;
    return count;
  }
  static uint32_t trailing_spaces(std::string_view value) {
    uint32_t count = 0;
    for (const char* at = value.data() + value.size();
         at != value.data() && is_space(unicode::previous(at));) {
      ++count;
    }
    return count;
  }

  Trimming trimming_;
};

// Every part trims in its turn; at most one of them adds tokens, and that is the layout.
class ProcessorSequence final : public PostProcessor {
 public:
  ProcessorSequence(std::vector<std::unique_ptr<PostProcessor>> parts, const PostProcessor& layout)
      : parts_(std::move(parts)), layout_(layout) {}

  const Template& layout(bool pair) const override { return layout_.layout(pair); }
  bool trims() const override {
    return std::any_of(parts_.begin(), parts_.end(),
                       [](const auto& part) { return part->trims(); });
  }
  Offset trim(std::string_view value, Offset offset, bool first) const override {
    for (const auto& part : parts_) {
      if (part->trims()) offset = part->trim(value, offset, first);
    }
    return offset;
  }

 private:
  std::vector<std::unique_ptr<PostProcessor>> parts_;
  const PostProcessor& layout_;  // one of them
};

using Made = Result<std::unique_ptr<PostProcessor>>;

Result<int32_t> read_id(const json::value& from) {
  const int64_t* id = from.if_int64();
  if (id == nullptr || *id < 0 || *id > INT32_MAX)
    return data_loss_error("an id must be an integer that fits in 31 bits");
  return static_cast<int32_t>(*id);
}

Result<std::vector<int32_t>> read_special_ids(const json::object& special_tokens,
                                              std::string_view name) {
  WDE_ASSIGN_OR_RETURN(const json::object* special, json::get_object(special_tokens, name));
  if (special == nullptr)
    return data_loss_error("the template names \"{}\", which \"special_tokens\" lacks", name);
  WDE_ASSIGN_OR_RETURN(const json::array* ids, json::get_array(*special, "ids"));
  if (ids == nullptr) return data_loss_error("special token \"{}\" has no \"ids\"", name);
  if (ids->size() > kMaxPieces)
    return data_loss_error("special token \"{}\" has {} ids", name, ids->size());
  std::vector<int32_t> result;
  for (const json::value& id : *ids) {
    WDE_ASSIGN_OR_RETURN(result.emplace_back(), read_id(id));
  }
  return result;
}

Result<int32_t> read_type_id(const json::object& piece) {
  WDE_ASSIGN_OR_RETURN(const int64_t type_id, json::get_int(piece, "type_id", 0));
  if (type_id < 0 || type_id > INT32_MAX)
    return data_loss_error("\"type_id\" {} is out of range", type_id);
  return static_cast<int32_t>(type_id);
}

// Appends one element of a template: {"Sequence": {…}} or {"SpecialToken": {…}}.
Status read_piece(const json::value& element, const json::object& special_tokens,
                  Template& pieces) {
  const json::object* tagged = element.if_object();
  if (tagged == nullptr) return data_loss_error("a template must hold objects");
  WDE_ASSIGN_OR_RETURN(const json::object* sequence, json::get_object(*tagged, "Sequence"));
  WDE_ASSIGN_OR_RETURN(const json::object* special, json::get_object(*tagged, "SpecialToken"));
  if ((sequence == nullptr) == (special == nullptr)) {
    return data_loss_error("a template's element must be a Sequence or a SpecialToken");
  }
  const json::object& piece = sequence != nullptr ? *sequence : *special;
  WDE_ASSIGN_OR_RETURN(const std::string name, json::get_string(piece, "id", ""));
  WDE_ASSIGN_OR_RETURN(const int32_t type_id, read_type_id(piece));
  if (sequence != nullptr) {
    if (name != "A" && name != "B")
      return data_loss_error("a template's Sequence must be A or B, not \"{}\"", name);
    pieces.push_back({name == "A" ? Kind::kText : Kind::kPair, 0, type_id});
    return {};
  }
  WDE_ASSIGN_OR_RETURN(const std::vector<int32_t> ids, read_special_ids(special_tokens, name));
  for (const int32_t id : ids) pieces.push_back({Kind::kSpecial, id, type_id});
  return {};
}

Status check_template(const Template& pieces, bool pair) {
  const auto count = [&](Kind kind) {
    return std::count_if(pieces.begin(), pieces.end(),
                         [&](const TemplatePiece& p) { return p.kind == kind; });
  };
  if (count(Kind::kText) > 1 || count(Kind::kPair) > 1)
    return unsupported_error("a template that repeats a sequence");
  if (!pair && count(Kind::kPair) != 0) return data_loss_error("\"single\" names sequence B");
  return {};
}

Result<Template> read_template(const json::object& spec, std::string_view key, bool pair) {
  WDE_ASSIGN_OR_RETURN(const json::array* elements, json::get_array(spec, key));
  if (elements == nullptr) return data_loss_error("\"{}\" is missing", key);
  WDE_ASSIGN_OR_RETURN(const json::object* special_tokens,
                       json::get_object(spec, "special_tokens"));
  const json::object none;
  Template pieces;
  for (const json::value& element : *elements) {
    WDE_RETURN_IF_ERROR(
        read_piece(element, special_tokens == nullptr ? none : *special_tokens, pieces));
    if (pieces.size() > kMaxPieces)
      return data_loss_error("\"{}\" has more than {} tokens", key, kMaxPieces);
  }
  WDE_RETURN_IF_ERROR(check_template(pieces, pair));
  return pieces;
}

// ["[SEP]", 102]
Result<int32_t> read_token_pair(const json::object& spec, std::string_view key) {
  WDE_ASSIGN_OR_RETURN(const json::array* pair, json::get_array(spec, key));
  if (pair == nullptr || pair->size() != 2)
    return data_loss_error("\"{}\" must be [token, id]", key);
  return read_id((*pair)[1]);
}

Result<TrimmingProcessor::Trimming> read_trimming(const json::object& spec) {
  TrimmingProcessor::Trimming trimming;
  WDE_ASSIGN_OR_RETURN(trimming.trim_offsets, json::get_bool(spec, "trim_offsets", true));
  WDE_ASSIGN_OR_RETURN(trimming.add_prefix_space, json::get_bool(spec, "add_prefix_space", true));
  return trimming;
}

constexpr TemplatePiece kText = {Kind::kText, 0, 0};

}  // namespace

Made make_template_processing(const json::object& spec) {
  WDE_ASSIGN_OR_RETURN(Template single, read_template(spec, "single", false));
  WDE_ASSIGN_OR_RETURN(Template pair, read_template(spec, "pair", true));
  return Made(std::make_unique<TemplateProcessor>(std::move(single), std::move(pair)));
}

Made make_bert_processing(const json::object& spec) {
  WDE_ASSIGN_OR_RETURN(const int32_t cls, read_token_pair(spec, "cls"));
  WDE_ASSIGN_OR_RETURN(const int32_t sep, read_token_pair(spec, "sep"));
  const TemplatePiece first = {Kind::kSpecial, cls, 0}, last = {Kind::kSpecial, sep, 0};
  return Made(std::make_unique<TemplateProcessor>(
      Template{first, kText, last},
      Template{first, kText, last, {Kind::kPair, 0, 1}, {Kind::kSpecial, sep, 1}}));
}

Made make_roberta_processing(const json::object& spec) {
  WDE_ASSIGN_OR_RETURN(const int32_t cls, read_token_pair(spec, "cls"));
  WDE_ASSIGN_OR_RETURN(const int32_t sep, read_token_pair(spec, "sep"));
  WDE_ASSIGN_OR_RETURN(const TrimmingProcessor::Trimming trimming, read_trimming(spec));
  const TemplatePiece first = {Kind::kSpecial, cls, 0}, last = {Kind::kSpecial, sep, 0};
  return Made(std::make_unique<TrimmingProcessor>(
      Template{first, kText, last}, Template{first, kText, last, last, {Kind::kPair, 0, 0}, last},
      trimming));
}

Made make_byte_level_processing(const json::object& spec) {
  WDE_ASSIGN_OR_RETURN(const TrimmingProcessor::Trimming trimming, read_trimming(spec));
  return Made(std::make_unique<TrimmingProcessor>(Template{kText},
                                                  Template{kText, {Kind::kPair, 0, 1}}, trimming));
}

Made make_processor_sequence(const json::object& spec) {
  WDE_ASSIGN_OR_RETURN(const json::array* specs, json::get_array(spec, "processors"));
  if (specs == nullptr || specs->empty()) return data_loss_error("\"processors\" is missing");
  std::vector<std::unique_ptr<PostProcessor>> parts;
  const PostProcessor* layout = nullptr;
  for (const json::value& part : *specs) {
    const json::object* part_spec = part.if_object();
    if (part_spec == nullptr) return data_loss_error("\"processors\" must hold objects");
    WDE_ASSIGN_OR_RETURN(parts.emplace_back(), make_post_processor(*part_spec));
    // ByteLevel's is the plain layout, which changes nothing.
    const bool plain = part_spec->at("type") == "ByteLevel";
    if (layout != nullptr && !plain)
      return unsupported_error("a sequence of more than one part that adds tokens");
    if (!plain) layout = parts.back().get();
  }
  if (layout == nullptr) layout = parts.front().get();
  return Made(std::make_unique<ProcessorSequence>(std::move(parts), *layout));
}

std::unique_ptr<PostProcessor> make_plain_processing() {
  return std::make_unique<TemplateProcessor>(Template{kText}, Template{kText, {Kind::kPair, 0, 1}});
}

}  // namespace wde::tokenizer
