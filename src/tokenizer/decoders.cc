// The decoders: each turns a list of tokens into a list of pieces, as the `tokenizers` package
// does it.
#include <algorithm>

#include "base/utf8.h"
#include "tokenizer/byte_level.h"
#include "tokenizer/registry.h"
#include "tokenizer/text_pattern.h"

namespace wde::tokenizer {
namespace {

void replace_all(std::string& text, std::string_view from, std::string_view to) {
  if (from.empty()) return;
  for (size_t at = text.find(from); at != std::string::npos; at = text.find(from, at + to.size())) {
    text.replace(at, from.size(), to);
  }
}

void join(std::vector<std::string>& tokens) {
  std::string text;
  for (const std::string& token : tokens) text += token;
  tokens.clear();
  tokens.push_back(std::move(text));
}

// In this order, as the `tokenizers` package does it.
void clean_up(std::string& text) {
  constexpr std::pair<std::string_view, std::string_view> kReplacements[] = {
      {" .", "."},   {" ?", "?"},     {" !", "!"},     {" ,", ","},
      {" ' ", "'"},  {" n't", "n't"}, {" 'm", "'m"},   {" do not", " don't"},
      {" 's", "'s"}, {" 've", "'ve"}, {" 're", "'re"},
  };
  for (const auto& [from, to] : kReplacements) replace_all(text, from, to);
}

// Words behind a space, pieces without their prefix, English punctuation tidied.
class WordPieceDecoder final : public Decoder {
 public:
  WordPieceDecoder(std::string prefix, bool cleanup)
      : prefix_(std::move(prefix)), cleanup_(cleanup) {}

  void decode(std::vector<std::string>& tokens) const override {
    for (size_t i = 0; i < tokens.size(); ++i) {
      const bool continues = i != 0 && tokens[i].starts_with(prefix_);
      if (continues)
        tokens[i].erase(0, prefix_.size());
      else if (i != 0)
        tokens[i].insert(0, 1, ' ');
      if (cleanup_) clean_up(tokens[i]);
    }
  }

 private:
  std::string prefix_;
  bool cleanup_;
};

// The bytes that the characters stand for; a token with any other character is its own bytes.
class ByteLevelDecoder final : public Decoder {
 public:
  void decode(std::vector<std::string>& tokens) const override {
    std::string bytes;
    for (const std::string& token : tokens) {
      const size_t before = bytes.size();
      const char* const end = token.data() + token.size();
      for (const char* at = token.data(); at != end;) {
        const std::optional<uint8_t> byte = byte_level::byte_of(unicode::next(at));
        if (!byte) {
          bytes.resize(before);
          bytes += token;
          break;
        }
        bytes += static_cast<char>(*byte);
      }
    }
    tokens = {replace_invalid_utf8(bytes)};
  }
};

// Runs of tokens like <0x0A> become the text that their bytes are, or as many U+FFFD.
class ByteFallbackDecoder final : public Decoder {
 public:
  void decode(std::vector<std::string>& tokens) const override {
    std::vector<std::string> pieces;
    std::string bytes;
    for (std::string& token : tokens) {
      if (const std::optional<char> byte = byte_of(token)) {
        bytes += *byte;
        continue;
      }
      flush(bytes, pieces);
      pieces.push_back(std::move(token));
    }
    flush(bytes, pieces);
    tokens = std::move(pieces);
  }

 private:
  static int hex_digit(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    const char lower = static_cast<char>(c | 0x20);
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
  }
  static std::optional<char> byte_of(std::string_view token) {
    if (token.size() != 6 || !token.starts_with("<0x") || token[5] != '>') return std::nullopt;
    // Rust's number parser takes a sign.
    const int high = token[3] == '+' ? 0 : hex_digit(token[3]), low = hex_digit(token[4]);
    if (high < 0 || low < 0) return std::nullopt;
    return static_cast<char>(high * 16 + low);
  }
  static void flush(std::string& bytes, std::vector<std::string>& pieces) {
    if (bytes.empty()) return;
    if (is_valid_utf8(bytes))
      pieces.push_back(bytes);
    else
      pieces.insert(pieces.end(), bytes.size(), "\uFFFD");
    bytes.clear();
  }
};

class FuseDecoder final : public Decoder {
 public:
  void decode(std::vector<std::string>& tokens) const override { join(tokens); }
};

// Cuts at most so many of one character off each end of each piece.
class StripDecoder final : public Decoder {
 public:
  struct Counts {
    size_t start = 0;
    size_t stop = 0;
  };
  StripDecoder(std::string content, Counts counts)
      : content_(std::move(content)), counts_(counts) {}

  void decode(std::vector<std::string>& tokens) const override {
    for (std::string& token : tokens) {
      std::string_view rest = token;
      for (size_t i = 0; i < counts_.start && rest.starts_with(content_); ++i)
        rest.remove_prefix(content_.size());
      for (size_t i = 0; i < counts_.stop && rest.ends_with(content_); ++i)
        rest.remove_suffix(content_.size());
      token = std::string(rest);
    }
  }

 private:
  std::string content_;
  Counts counts_;
};

class ReplaceDecoder final : public Decoder {
 public:
  ReplaceDecoder(TextPattern pattern, std::string content)
      : pattern_(std::move(pattern)), content_(std::move(content)) {}

  void decode(std::vector<std::string>& tokens) const override {
    std::vector<Range> matches;
    for (std::string& token : tokens) {
      matches.clear();
      // A token is short: what a search may cost is no matter here.
      if (!pattern_.find_all(token, matches) || matches.empty()) continue;
      std::string text;
      size_t done = 0;
      for (const Range& match : matches) {
        text.append(token, done, match.begin - done);
        text += content_;
        done = match.end;
      }
      text.append(token, done, std::string::npos);
      token = std::move(text);
    }
  }

 private:
  TextPattern pattern_;
  std::string content_;
};

// A suffix ends a word: a space stands there, but behind the last token.
class BpeDecoder final : public Decoder {
 public:
  explicit BpeDecoder(std::string suffix) : suffix_(std::move(suffix)) {}

  void decode(std::vector<std::string>& tokens) const override {
    for (size_t i = 0; i < tokens.size(); ++i)
      replace_all(tokens[i], suffix_, i + 1 == tokens.size() ? "" : " ");
  }

 private:
  std::string suffix_;
};

class DecoderSequence final : public Decoder {
 public:
  explicit DecoderSequence(std::vector<std::unique_ptr<Decoder>> parts)
      : parts_(std::move(parts)) {}

  void decode(std::vector<std::string>& tokens) const override {
    for (const auto& part : parts_) part->decode(tokens);
  }

 private:
  std::vector<std::unique_ptr<Decoder>> parts_;
};

using Made = Result<std::unique_ptr<Decoder>>;

}  // namespace

Made make_wordpiece_decoder(const json::object& spec) {
  WDE_ASSIGN_OR_RETURN(std::string prefix, json::get_string(spec, "prefix", "##"));
  WDE_ASSIGN_OR_RETURN(const bool cleanup, json::get_bool(spec, "cleanup", true));
  return Made(std::make_unique<WordPieceDecoder>(std::move(prefix), cleanup));
}

Made make_byte_level_decoder(const json::object&) {
  return Made(std::make_unique<ByteLevelDecoder>());
}
Made make_byte_fallback_decoder(const json::object&) {
  return Made(std::make_unique<ByteFallbackDecoder>());
}
Made make_fuse_decoder(const json::object&) { return Made(std::make_unique<FuseDecoder>()); }

Made make_strip_decoder(const json::object& spec) {
  WDE_ASSIGN_OR_RETURN(std::string content, json::get_string(spec, "content", ""));
  if (count_code_points(content) != 1)
    return data_loss_error("\"content\" must be one character, not \"{}\"", content);
  WDE_ASSIGN_OR_RETURN(const int64_t start, json::get_int(spec, "start", 0));
  WDE_ASSIGN_OR_RETURN(const int64_t stop, json::get_int(spec, "stop", 0));
  if (start < 0 || stop < 0) return data_loss_error("\"start\" or \"stop\" is negative");
  const StripDecoder::Counts counts = {static_cast<size_t>(start), static_cast<size_t>(stop)};
  return Made(std::make_unique<StripDecoder>(std::move(content), counts));
}

Made make_replace_decoder(const json::object& spec) {
  WDE_ASSIGN_OR_RETURN(TextPattern pattern, TextPattern::read(spec));
  WDE_ASSIGN_OR_RETURN(std::string content, json::get_string(spec, "content", ""));
  return Made(std::make_unique<ReplaceDecoder>(std::move(pattern), std::move(content)));
}

Made make_bpe_decoder(const json::object& spec) {
  WDE_ASSIGN_OR_RETURN(std::string suffix, json::get_string(spec, "suffix", "</w>"));
  return Made(std::make_unique<BpeDecoder>(std::move(suffix)));
}

Made make_decoder_sequence(const json::object& spec) {
  WDE_ASSIGN_OR_RETURN(const json::array* specs, json::get_array(spec, "decoders"));
  if (specs == nullptr) return data_loss_error("\"decoders\" is missing");
  std::vector<std::unique_ptr<Decoder>> parts;
  for (const json::value& part : *specs) {
    const json::object* part_spec = part.if_object();
    if (part_spec == nullptr) return data_loss_error("\"decoders\" must hold objects");
    WDE_ASSIGN_OR_RETURN(parts.emplace_back(), make_decoder(*part_spec));
  }
  return Made(std::make_unique<DecoderSequence>(std::move(parts)));
}

}  // namespace wde::tokenizer
