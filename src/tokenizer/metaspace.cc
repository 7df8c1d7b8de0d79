// Metaspace, sentencepiece's way to keep spaces: a space becomes a visible character that begins
// the word behind it; the decoder turns it back.
#include "tokenizer/registry.h"

namespace wde::tokenizer {
namespace {

enum class Prepend { kAlways, kFirst, kNever };

struct MetaspaceOptions {
  std::string replacement;  // one code point
  Prepend prepend = Prepend::kAlways;
  bool split = true;
};

class Metaspace final : public PreTokenizer {
 public:
  explicit Metaspace(MetaspaceOptions options) : options_(std::move(options)) {}

  bool rewrites() const override { return true; }

  void rewrite(const NormalizedText& from, Stretch stretch, NormalizedText& to,
               std::vector<Range>& words) const override {
    const std::string_view text = std::string_view(from.text).substr(0, stretch.range.end);
    const std::string_view sign = options_.replacement;
    size_t at = stretch.range.begin;
    if (at == text.size()) return;
    size_t word = to.text.size();
    const auto end_word = [&] {
      if (to.text.size() == word) return;
      words.push_back({static_cast<uint32_t>(word), static_cast<uint32_t>(to.text.size())});
      word = to.text.size();
    };
    if (prepends(text.substr(at), stretch.begins_text)) to.append(sign, from.origin(at));
    for (size_t done = at; at != text.size(); done = at) {
      while (at != text.size() && !is_space(text.substr(at))) ++at;
      to.append(from, done, at);
      if (at == text.size()) break;
      if (options_.split) end_word();
      const size_t behind = at + (text[at] == ' ' ? 1 : sign.size());
      to.append(sign, from.origin(behind - 1));
      at = behind;
    }
    end_word();
  }

  // At worst, every byte is a word without a space.
  double growth() const override { return 1 + static_cast<double>(options_.replacement.size()); }

 private:
  // Whether `text`, not empty, begins with a space in either form.
  bool is_space(std::string_view text) const {
    if (text[0] == ' ') return true;
    return text[0] == options_.replacement[0] && text.starts_with(options_.replacement);
  }
  bool prepends(std::string_view text, bool begins_text) const {
    if (options_.prepend == Prepend::kNever) return false;
    if (options_.prepend == Prepend::kFirst && !begins_text) return false;
    return !is_space(text);
  }

  MetaspaceOptions options_;
};

class MetaspaceDecoder final : public Decoder {
 public:
  explicit MetaspaceDecoder(MetaspaceOptions options) : options_(std::move(options)) {}

  void decode(std::vector<std::string>& tokens) const override {
    for (size_t i = 0; i < tokens.size(); ++i) {
      const bool dropped = i == 0 && options_.prepend != Prepend::kNever;
      std::string text;
      append(tokens[i], dropped ? "" : " ", text);
      tokens[i] = std::move(text);
    }
  }

 private:
  void append(std::string_view token, std::string_view space, std::string& text) const {
    const std::string_view sign = options_.replacement;
    size_t done = 0;
    for (size_t at = token.find(sign); at != std::string_view::npos; at = token.find(sign, done)) {
      text += token.substr(done, at - done);
      text += space;
      done = at + sign.size();
    }
    text += token.substr(done);
  }

  MetaspaceOptions options_;
};

Result<Prepend> read_prepend(const json::object& spec) {
  WDE_ASSIGN_OR_RETURN(const std::string name, json::get_string(spec, "prepend_scheme", ""));
  WDE_ASSIGN_OR_RETURN(const bool add_prefix_space,
                       json::get_bool(spec, "add_prefix_space", name != "never"));
  if (name.empty()) return add_prefix_space ? Prepend::kAlways : Prepend::kNever;
  if (!add_prefix_space && name != "never")
    return data_loss_error("\"add_prefix_space\" is false, but \"prepend_scheme\" is \"{}\"", name);
  if (name == "always") return Prepend::kAlways;
  if (name == "first") return Prepend::kFirst;
  if (name == "never") return Prepend::kNever;
  return unsupported_error("prepend_scheme \"{}\"; known: always, first, never", name);
}

Result<MetaspaceOptions> read_options(const json::object& spec) {
  MetaspaceOptions options;
  WDE_ASSIGN_OR_RETURN(options.replacement, json::get_string(spec, "replacement", "\u2581"));
  const char* behind = options.replacement.data();
  if (!options.replacement.empty()) unicode::next(behind);
  if (options.replacement.empty() ||
      behind != options.replacement.data() + options.replacement.size())
    return data_loss_error("\"replacement\" must be one character");
  WDE_ASSIGN_OR_RETURN(options.prepend, read_prepend(spec));
  WDE_ASSIGN_OR_RETURN(options.split, json::get_bool(spec, "split", true));
  return options;
}

}  // namespace

Result<std::unique_ptr<PreTokenizer>> make_metaspace(const json::object& spec) {
  WDE_ASSIGN_OR_RETURN(MetaspaceOptions options, read_options(spec));
  return Result<std::unique_ptr<PreTokenizer>>(std::make_unique<Metaspace>(std::move(options)));
}

Result<std::unique_ptr<Decoder>> make_metaspace_decoder(const json::object& spec) {
  WDE_ASSIGN_OR_RETURN(MetaspaceOptions options, read_options(spec));
  return Result<std::unique_ptr<Decoder>>(std::make_unique<MetaspaceDecoder>(std::move(options)));
}

}  // namespace wde::tokenizer
