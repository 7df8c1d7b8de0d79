// The WordPiece decoder: words joined by spaces, pieces without their prefix, English punctuation
// tidied.
#include "tokenizer/registry.h"

namespace wde::tokenizer {
namespace {

void replace_all(std::string& text, std::string_view from, std::string_view to) {
  for (size_t at = text.find(from); at != std::string::npos; at = text.find(from, at + to.size())) {
    text.replace(at, from.size(), to);
  }
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

class WordPieceDecoder final : public Decoder {
 public:
  WordPieceDecoder(std::string prefix, bool cleanup)
      : prefix_(std::move(prefix)), cleanup_(cleanup) {}

  std::string decode(std::span<const std::string_view> tokens) const override {
    std::string text;
    std::string piece;
    for (size_t i = 0; i < tokens.size(); ++i) {
      const bool continues = i != 0 && tokens[i].starts_with(prefix_);
      piece = i == 0 || continues ? "" : " ";
      piece += continues ? tokens[i].substr(prefix_.size()) : tokens[i];
      if (cleanup_) clean_up(piece);
      text += piece;
    }
    return text;
  }

 private:
  std::string prefix_;
  bool cleanup_;
};

}  // namespace

Result<std::unique_ptr<Decoder>> make_wordpiece_decoder(const json::object& spec) {
  WDE_ASSIGN_OR_RETURN(std::string prefix, json::get_string(spec, "prefix", "##"));
  WDE_ASSIGN_OR_RETURN(const bool cleanup, json::get_bool(spec, "cleanup", true));
  return Result<std::unique_ptr<Decoder>>(
      std::make_unique<WordPieceDecoder>(std::move(prefix), cleanup));
}

}  // namespace wde::tokenizer
