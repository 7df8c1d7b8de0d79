// Precompiled: the normalization rules that a sentencepiece model carries, as the `tokenizers`
// package applies them. A grapheme cluster of less than six bytes is replaced as a whole by what
// the shortest key that it begins with stands for; failing that, and in longer clusters, each code
// point is looked up by itself. So no key longer than five bytes is ever found, nor one that begins
// with another: what is left of the map is copied from its array, which nobody vouches for, into a
// trie of ours when it is loaded.
#include <array>

#include "base/utf8.h"
#include "tokenizer/base64.h"
#include "tokenizer/byte_trie.h"
#include "tokenizer/registry.h"

namespace wde::tokenizer {
namespace {

constexpr size_t kMaxKeyBytes = 5;

// A map from keys to replacements in sentencepiece's form: the size of a double array in bytes, the
// array (darts-clone: github.com/s-yata/darts-clone), and the replacements, each ended by a zero.
class Charsmap {
 public:
  struct Rule {
    std::string key;
    std::string_view replacement;  // of the charsmap's bytes
  };

  // Errors: kDataLoss for what is no tree, or points outside.
  static Result<std::vector<Rule>> read(std::string_view bytes) {
    Charsmap map;
    WDE_RETURN_IF_ERROR(map.open(bytes));
    std::string key;
    WDE_RETURN_IF_ERROR(map.collect(map.offset(0), key));
    return std::move(map.rules_);
  }

 private:
  Status open(std::string_view bytes) {
    constexpr size_t kUnitBytes = 4;
    if (bytes.size() < kUnitBytes) return data_loss_error("a charsmap of {} bytes", bytes.size());
    const size_t array_bytes = word(bytes, 0) / kUnitBytes * kUnitBytes;
    if (array_bytes == 0 || array_bytes > bytes.size() - kUnitBytes) {
      return data_loss_error("a charsmap of {} bytes says that its array has {}", bytes.size(),
                             word(bytes, 0));
    }
    units_ = bytes.substr(kUnitBytes, array_bytes);
    replacements_ = bytes.substr(kUnitBytes + array_bytes);
    unit_count_ = array_bytes / kUnitBytes;
    if (!is_valid_utf8(replacements_)) return data_loss_error("the charsmap is not UTF-8");
    return {};
  }

  // Takes the keys that begin with `key`, which leads to `position`.
  Status collect(size_t position, std::string& key) {
    for (uint32_t label = 1; label < 256; ++label) {
      const size_t child = position ^ label;
      if (child >= unit_count_ || (unit(child) & (kLeaf | 0xFFu)) != label) continue;
      if (++visited_ > unit_count_) return data_loss_error("the charsmap's array is no tree");
      key.push_back(static_cast<char>(label));
      const size_t behind = child ^ offset(child);
      if ((unit(child) & kHasLeaf) != 0) {
        WDE_RETURN_IF_ERROR(add_rule(behind, key));
      } else if (key.size() < kMaxKeyBytes) {
        WDE_RETURN_IF_ERROR(collect(behind, key));
      }
      key.pop_back();
    }
    return {};
  }

  Status add_rule(size_t position, const std::string& key) {
    const size_t begin = position < unit_count_ ? unit(position) & ~kLeaf : SIZE_MAX;
    const bool inside =
        begin < replacements_.size() && (static_cast<uint8_t>(replacements_[begin]) & 0xC0) != 0x80;
    if (!inside && begin != replacements_.size())
      return data_loss_error("a rule of the charsmap points outside of it");
    const std::string_view rest = replacements_.substr(begin);
    rules_.push_back({key, rest.substr(0, rest.find('\0'))});
    return {};
  }

  static constexpr uint32_t kLeaf = 1u << 31;
  static constexpr uint32_t kHasLeaf = 1u << 8;

  static uint32_t word(std::string_view bytes, size_t at) {
    uint32_t value = 0;
    for (size_t i = 4; i-- != 0;) value = value << 8 | static_cast<uint8_t>(bytes[at + i]);
    return value;
  }
  uint32_t unit(size_t index) const { return word(units_, index * 4); }
  size_t offset(size_t index) const {
    const uint32_t bits = unit(index);
    return static_cast<size_t>(bits >> 10) << ((bits & (1u << 9)) >> 6);
  }

  std::string_view units_;
  std::string_view replacements_;
  size_t unit_count_ = 0;
  size_t visited_ = 0;
  std::vector<Rule> rules_;  // sorted by key
};

class Precompiled final : public Normalizer {
 public:
  explicit Precompiled(const std::vector<Charsmap::Rule>& rules) {
    std::vector<std::pair<std::string_view, int32_t>> entries;
    for (const auto& [key, replacement] : rules) {
      entries.emplace_back(key, static_cast<int32_t>(replacements_.size()));
      replacements_.emplace_back(replacement);
      growth_ = std::max(growth_,
                         static_cast<double>(replacement.size()) / static_cast<double>(key.size()));
    }
    trie_ = ByteTrie::build(entries);
    for (char32_t c = 0; c < CodePointMap::kSize; ++c) map_.set(c, tabulate(c));
    for (char32_t c = 0; c < 0x80; ++c) stays_[c] = map_.of(c) == c;
  }

  void normalize(NormalizedText& text) const override {
    if (text.tracked)
      rewrite_tracked(text);
    else
      rewrite_untracked(text);
  }
  double growth() const override { return growth_; }

 private:
  // What replaces a grapheme cluster or a code point; null where nothing does.
  const std::string* find(std::string_view part) const {
    uint32_t node = ByteTrie::kRoot;
    for (const char byte : part) {
      node = trie_.step(node, static_cast<uint8_t>(byte));
      if (node == ByteTrie::kNowhere) return nullptr;
      if (trie_.number(node) >= 0) return &replacements_[static_cast<size_t>(trie_.number(node))];
    }
    return nullptr;
  }

  uint32_t tabulate(char32_t c) const {
    if (!unicode::is_lone_grapheme(c)) return CodePointMap::kNeighbours;
    char bytes[4];
    const std::string* replacement = find({bytes, static_cast<size_t>(unicode::encode(c, bytes))});
    if (replacement == nullptr) return c;
    if (replacement->empty()) return CodePointMap::kDropped;
    const char* behind = replacement->data();
    const char32_t first = unicode::next(behind);
    const bool one = behind == replacement->data() + replacement->size();
    return one ? first : CodePointMap::kSeveral;
  }

  uint32_t entry_of(char32_t c) const { return c < CodePointMap::kSize ? map_.of(c) : tabulate(c); }

  // Calls keep(part) or replace(part, by what) for the parts of `text`, grapheme by grapheme.
  template <class Keep, class Replace>
  void by_graphemes(std::string_view text, const Keep& keep, const Replace& replace) const {
    const auto look_up = [&](std::string_view part) {
      const std::string* replacement = find(part);
      if (replacement != nullptr) replace(part, std::string_view(*replacement));
      return replacement != nullptr;
    };
    const char* const end = text.data() + text.size();
    int32_t state = 0;
    for (const char* at = text.data(); at != end;) {
      const std::string_view grapheme = first_grapheme(at, end, state);
      at += grapheme.size();
      if (grapheme.size() <= kMaxKeyBytes && look_up(grapheme)) continue;
      for (const char* part = at - grapheme.size(); part != at;) {
        const char* behind = part;
        unicode::next(behind);
        const std::string_view code_point(part, static_cast<size_t>(behind - part));
        if (!look_up(code_point)) keep(code_point);
        part = behind;
      }
    }
  }

  static std::string_view first_grapheme(const char* at, const char* end, int32_t& state) {
    const char* behind = at;
    char32_t last = unicode::next(behind);
    while (behind != end) {
      const char* next = behind;
      const char32_t c = unicode::next(next);
      if (unicode::grapheme_breaks(last, c, state)) break;
      last = c;
      behind = next;
    }
    return {at, static_cast<size_t>(behind - at)};
  }

  void rewrite_tracked(NormalizedText& text) const {
    std::vector<Change> changes;
    changes.reserve(text.text.size());
    bool modified = false;
    by_graphemes(
        text.text,
        [&](std::string_view part) {
          const char* at = part.data();
          changes.push_back({unicode::next(at), 0});
        },
        [&](std::string_view part, std::string_view replacement) {
          modified = true;
          append_changes(part, replacement, changes);
        });
    if (modified) apply_changes(text, changes);
  }

  // The package's bookkeeping: what a replacement has more than its part is added at its end; what
  // it has less is taken by whatever comes last, be it of a replacement before this one, and where
  // nothing does, is forgotten.
  static void append_changes(std::string_view part, std::string_view replacement,
                             std::vector<Change>& changes) {
    const auto replaced = static_cast<int>(count_code_points(part));
    int count = 0;
    const char* const end = replacement.data() + replacement.size();
    for (const char* at = replacement.data(); at != end; ++count)
      changes.push_back({unicode::next(at), count < replaced ? 0 : 1});
    if (count < replaced && !changes.empty()) changes.back().change -= replaced - count;
  }

  void rewrite_untracked(NormalizedText& text) const {
    std::string result;
    result.reserve(text.text.size() + text.text.size() / 8 + 16);
    const char* at = text.text.data();
    const char* const end = at + text.text.size();
    while (at != end) {
      const char* const run = at;
      while (at != end && stays_[static_cast<uint8_t>(*at)]) ++at;
      if (at != run && joins(at, end)) --at;  // the run's last belongs to what follows
      result.append(run, at);
      if (at != end) at = rewrite_code_points(at, end, result);
    }
    text.text = std::move(result);
  }

  // Whether the code point at `at` may form a cluster with one before it.
  bool joins(const char* at, const char* end) const {
    if (at == end) return false;
    return entry_of(unicode::next(at)) == CodePointMap::kNeighbours;
  }

  // Appends what becomes of the code point at `at`, and of those behind it that may depend on it;
  // returns where those end.
  const char* rewrite_code_points(const char* at, const char* end, std::string& to) const {
    const char* behind = at;
    const char32_t c = unicode::next(behind);
    const uint32_t entry = entry_of(c);
    if (entry == CodePointMap::kNeighbours || joins(behind, end)) {
      behind = end_of_cluster(at, end);
      const auto append = [&](std::string_view part) { to += part; };
      by_graphemes({at, static_cast<size_t>(behind - at)}, append,
                   [&](std::string_view, std::string_view replacement) { to += replacement; });
      return behind;
    }
    if (entry < CodePointMap::kDropped) {
      char bytes[4];
      to.append(bytes, static_cast<size_t>(unicode::encode(entry, bytes)));
    } else if (entry == CodePointMap::kSeveral) {
      to += *find({at, static_cast<size_t>(behind - at)});
    }
    return behind;
  }

  // Where two code points that are clusters by themselves follow each other, or the text ends.
  const char* end_of_cluster(const char* at, const char* end) const {
    for (bool lone = false; at != end;) {
      const char* behind = at;
      const bool joined = entry_of(unicode::next(behind)) == CodePointMap::kNeighbours;
      if (lone && !joined) break;
      lone = !joined;
      at = behind;
    }
    return at;
  }

  std::vector<std::string> replacements_;
  ByteTrie trie_;  // key to index of its replacement
  CodePointMap map_;
  std::array<bool, 256> stays_ = {};  // ASCII that is not replaced and is a cluster by itself
  double growth_ = 1;
};

}  // namespace

Result<std::unique_ptr<Normalizer>> make_precompiled(const json::object& spec) {
  WDE_ASSIGN_OR_RETURN(const std::string text, json::get_string(spec, "precompiled_charsmap", ""));
  WDE_ASSIGN_OR_RETURN(const std::string bytes, decode_base64(text));
  WDE_ASSIGN_OR_RETURN(const std::vector<Charsmap::Rule> rules, Charsmap::read(bytes));
  return Result<std::unique_ptr<Normalizer>>(std::make_unique<Precompiled>(rules));
}

}  // namespace wde::tokenizer
