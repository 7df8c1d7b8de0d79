#include "tokenizer/normalized_text.h"

#include <algorithm>

namespace wde::tokenizer {
namespace {

struct ClassedChange : Change {
  int combining_class = 0;
};

std::vector<ClassedChange> decompose_all(std::string_view text, unicode::Form form) {
  std::vector<ClassedChange> changes;
  changes.reserve(text.size());
  size_t run_begin = 0;  // of the non-starters at the end of `changes`
  const auto sort_run = [&] {
    std::stable_sort(changes.begin() + static_cast<ptrdiff_t>(run_begin), changes.end(),
                     [](const ClassedChange& a, const ClassedChange& b) {
                       return a.combining_class < b.combining_class;
                     });
  };
  char32_t parts[unicode::kMaxDecomposition];
  const char* const end = text.data() + text.size();
  for (const char* at = text.data(); at != end;) {
    const int count = unicode::decompose(unicode::next(at), form, parts);
    for (int i = 0; i < count; ++i) {
      const int combining_class = unicode::combining_class(parts[i]);
      if (combining_class == 0) sort_run();
      changes.push_back({{parts[i], i == 0 ? 0 : 1}, combining_class});
      if (combining_class == 0) run_begin = changes.size();
    }
  }
  sort_run();
  return changes;
}

// Canonical composition (Unicode 15, section 3.11, D117): a mark joins the last starter unless one
// of the same or a higher class stands between.
std::vector<ClassedChange> compose_all(const std::vector<ClassedChange>& from) {
  std::vector<ClassedChange> to;
  to.reserve(from.size());
  size_t starter = SIZE_MAX;
  for (const ClassedChange& next : from) {
    const bool adjacent = starter != SIZE_MAX && starter + 1 == to.size();
    const bool blocked =
        starter == SIZE_MAX || (!adjacent && to.back().combining_class >= next.combining_class);
    if (!blocked) {
      if (const char32_t composite = unicode::compose(to[starter].code_point, next.code_point)) {
        to[starter].code_point = composite;
        to[starter].change += next.change - 1;
        continue;
      }
    }
    to.push_back(next);
    if (next.combining_class == 0) starter = to.size() - 1;
  }
  return to;
}

// The origin of each of the text's code points, in order.
std::vector<Offset> code_point_origins(const NormalizedText& text) {
  std::vector<Offset> origins;
  if (!text.tracked) return origins;
  for (size_t i = 0; i < text.text.size(); ++i) {
    if ((static_cast<uint8_t>(text.text[i]) & 0xC0) != 0x80) origins.push_back(text.alignment[i]);
  }
  return origins;
}

}  // namespace

NormalizedText NormalizedText::from(std::string_view original, uint32_t first_code_point,
                                    bool tracked) {
  NormalizedText result;
  result.text = original;
  result.tracked = tracked;
  if (!tracked) return result;
  result.alignment.resize(original.size());
  uint32_t code_point = first_code_point;
  for (size_t i = 0; i < original.size(); ++i) {
    const bool continues = (static_cast<uint8_t>(original[i]) & 0xC0) == 0x80;
    if (!continues && i != 0) ++code_point;
    result.alignment[i] = {code_point, code_point + 1};
  }
  return result;
}

void NormalizedText::append(char32_t code_point, Offset origin) {
  char bytes[4];
  const int length = unicode::encode(code_point, bytes);
  text.append(bytes, static_cast<size_t>(length));
  if (tracked) alignment.insert(alignment.end(), static_cast<size_t>(length), origin);
}

void NormalizedText::append(std::string_view added, Offset origin) {
  text += added;
  if (tracked) alignment.insert(alignment.end(), added.size(), origin);
}

void NormalizedText::append(const NormalizedText& other) { append(other, 0, other.text.size()); }

void NormalizedText::append(const NormalizedText& other, size_t begin, size_t end) {
  text.append(other.text, begin, end - begin);
  if (!tracked) return;
  alignment.insert(alignment.end(), other.alignment.begin() + static_cast<ptrdiff_t>(begin),
                   other.alignment.begin() + static_cast<ptrdiff_t>(end));
}

void apply_changes(NormalizedText& text, std::span<const Change> changes) {
  const std::vector<Offset> origins = code_point_origins(text);
  NormalizedText result;
  result.tracked = text.tracked;
  result.text.reserve(text.text.size());
  size_t consumed = 0;
  for (const Change& change : changes) {
    const size_t index = change.change > 0 ? std::max<size_t>(consumed, 1) - 1 : consumed;
    const Offset origin = origins.empty() ? Offset{} : origins[std::min(index, origins.size() - 1)];
    result.append(change.code_point, origin);
    if (change.change <= 0) consumed += static_cast<size_t>(1 - change.change);
  }
  text = std::move(result);
}

void normalize_form(NormalizedText& text, unicode::Form form, Composition composition) {
  if (unicode::is_ascii(text.text)) return;
  std::vector<ClassedChange> changes = decompose_all(text.text, form);
  if (composition == Composition::kComposed) changes = compose_all(changes);
  apply_changes(text, std::vector<Change>(changes.begin(), changes.end()));
}

}  // namespace wde::tokenizer
