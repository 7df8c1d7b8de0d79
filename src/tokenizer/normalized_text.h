// A text on its way through the normalizers: what it has become, and for every byte of that the
// code points of the original it stands for. Owned by the thread that encodes. Knows nothing of
// tokens.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tokenizer/tokenizer.h"
#include "tokenizer/unicode.h"

namespace wde::tokenizer {

struct NormalizedText {
  std::string text;               // valid UTF-8
  std::vector<Offset> alignment;  // one a byte of `text`, never decreasing; empty when !tracked
  bool tracked = false;
  bool failed = false;  // a part could not do its work within its limits: what is here is of no use

  // `original` as it is; its first code point is number `first_code_point` of the whole text.
  static NormalizedText from(std::string_view original, uint32_t first_code_point, bool tracked);
  // Appends one code point that stands for `origin`.
  void append(char32_t code_point, Offset origin);
  // Appends `added`, all of which stands for `origin`.
  void append(std::string_view added, Offset origin);
  // Appends all of `other`, or its bytes [begin, end); it must be tracked alike.
  void append(const NormalizedText& other);
  void append(const NormalizedText& other, size_t begin, size_t end);
  // What byte `at` stands for; {} when not tracked.
  Offset origin(size_t at) const { return tracked ? alignment[at] : Offset{}; }
};

// Replaces every code point by the `count` that map(code_point, out) -> count writes; all of them
// stand for what the replaced one stood for.
template <class Map>
void rewrite_each(NormalizedText& text, const Map& map) {
  NormalizedText result;
  result.tracked = text.tracked;
  result.text.reserve(text.text.size());
  result.alignment.reserve(text.alignment.size());
  char32_t out[unicode::kMaxDecomposition];
  const char* const begin = text.text.data();
  const char* const end = begin + text.text.size();
  for (const char* at = begin; at != end;) {
    const Offset origin = text.origin(static_cast<size_t>(at - begin));
    const int count = map(unicode::next(at), out);
    for (int i = 0; i < count; ++i) result.append(out[i], origin);
  }
  text = std::move(result);
}

// A code point of a rewritten text and what it does to the old one, as the `tokenizers` package has
// it: 1 when it is added behind the one before it, -n when it replaces 1 + n of the old ones.
struct Change {
  char32_t code_point = 0;
  int change = 0;
};
// Makes `text` the changes' code points. What each stands for is counted off the old text's code
// points, so that changes that take too few or too many shift those behind them: the package's do.
void apply_changes(NormalizedText& text, std::span<const Change> changes);

// Unicode normalization forms. Alignments follow the `tokenizers` package also where marks change
// places: the k-th code point that replaces one of the text stands for the k-th of the text.
enum class Composition { kDecomposed, kComposed };
void normalize_form(NormalizedText& text, unicode::Form form, Composition composition);

}  // namespace wde::tokenizer
