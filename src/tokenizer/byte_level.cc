// GPT-2's spelling of bytes, and the normalizer and the pre-tokenizer that write it.
#include "tokenizer/byte_level.h"

#include <array>

#include "tokenizer/registry.h"
#include "tokenizer/word_patterns.h"

namespace wde::tokenizer {
namespace byte_level {
namespace {

constexpr bool is_itself(int byte) {
  return (byte >= 0x21 && byte <= 0x7E) || (byte >= 0xA1 && byte <= 0xFF && byte != 0xAD);
}

constexpr char32_t kFirstOther = 0x100;

struct Table {
  std::array<char32_t, 256> chars{};
  std::array<uint8_t, 128> others{};  // the bytes that are spelt from kFirstOther on
  size_t other_count = 0;
};

constexpr Table make_table() {
  Table table;
  for (int byte = 0; byte < 256; ++byte) {
    const auto index = static_cast<size_t>(byte);
    if (is_itself(byte)) {
      table.chars[index] = static_cast<char32_t>(byte);
      continue;
    }
    table.chars[index] = kFirstOther + static_cast<char32_t>(table.other_count);
    table.others[table.other_count++] = static_cast<uint8_t>(byte);
  }
  return table;
}
constexpr Table kTable = make_table();

}  // namespace

char32_t char_of(uint8_t byte) { return kTable.chars[byte]; }

std::optional<uint8_t> byte_of(char32_t c) {
  if (c < kFirstOther && is_itself(static_cast<int>(c))) return static_cast<uint8_t>(c);
  const size_t other = static_cast<size_t>(c) - kFirstOther;
  if (c < kFirstOther || other >= kTable.other_count) return std::nullopt;
  return kTable.others[other];
}

std::string spell(std::string_view bytes) {
  std::string text;
  text.reserve(2 * bytes.size());
  for (const char byte : bytes) {
    char spelt[4];
    const int length = unicode::encode(char_of(static_cast<uint8_t>(byte)), spelt);
    text.append(spelt, static_cast<size_t>(length));
  }
  return text;
}

}  // namespace byte_level

namespace {

// Appends the spelling of from[range]; every character stands for what its byte stood for.
void append_spelt(const NormalizedText& from, Range range, NormalizedText& to) {
  for (size_t at = range.begin; at != range.end; ++at)
    to.append(byte_level::char_of(static_cast<uint8_t>(from.text[at])), from.origin(at));
}

class ByteLevelNormalizer final : public Normalizer {
 public:
  void normalize(NormalizedText& text) const override {
    NormalizedText result;
    result.tracked = text.tracked;
    append_spelt(text, {0, static_cast<uint32_t>(text.text.size())}, result);
    text = std::move(result);
  }
  double growth() const override { return 2; }
};

class ByteLevelPreTokenizer final : public PreTokenizer {
 public:
  explicit ByteLevelPreTokenizer(Cutting cutting) : cutting_(cutting) {}

  bool rewrites() const override { return true; }

  void rewrite(const NormalizedText& from, Stretch stretch, NormalizedText& to,
               std::vector<Range>& words) const override {
    const Range range = stretch.range;
    if (!cutting_.adds_space || from.text[range.begin] == ' ') return cut(from, range, to, words);
    NormalizedText spaced;
    spaced.tracked = from.tracked;
    spaced.append(" ", from.origin(range.begin));
    spaced.append(from, range.begin, range.end);
    cut(spaced, {0, static_cast<uint32_t>(spaced.text.size())}, to, words);
  }
  // Two bytes a byte; "a" becomes two words of four bytes with a space before it.
  double growth() const override { return cutting_.adds_space ? 4 : 2; }
  std::optional<Cutting> cutting() const override { return cutting_; }

 private:
  void cut(const NormalizedText& from, Range range, NormalizedText& to,
           std::vector<Range>& words) const {
    const char* const begin = from.text.data();
    for (uint32_t at = range.begin; at != range.end;) {
      const uint32_t behind =
          cutting_.word_end == nullptr
              ? range.end
              : static_cast<uint32_t>(cutting_.word_end(begin + at, begin + range.end) - begin);
      const auto word_begin = static_cast<uint32_t>(to.text.size());
      append_spelt(from, {at, behind}, to);
      words.push_back({word_begin, static_cast<uint32_t>(to.text.size())});
      at = behind;
    }
  }

  Cutting cutting_;
};

}  // namespace

Result<std::unique_ptr<Normalizer>> make_byte_level_normalizer(const json::object&) {
  return Result<std::unique_ptr<Normalizer>>(std::make_unique<ByteLevelNormalizer>());
}

Result<std::unique_ptr<PreTokenizer>> make_byte_level(const json::object& spec) {
  Cutting cutting;
  cutting.writes_bytes = true;
  WDE_ASSIGN_OR_RETURN(cutting.adds_space, json::get_bool(spec, "add_prefix_space", true));
  WDE_ASSIGN_OR_RETURN(const bool use_regex, json::get_bool(spec, "use_regex", true));
  if (use_regex) cutting.word_end = known_word_pattern(byte_level::kWordPattern);
  return Result<std::unique_ptr<PreTokenizer>>(std::make_unique<ByteLevelPreTokenizer>(cutting));
}

}  // namespace wde::tokenizer
