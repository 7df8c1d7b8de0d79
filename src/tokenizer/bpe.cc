#include "tokenizer/bpe.h"

#include <algorithm>

#include "tokenizer/byte_level.h"
#include "tokenizer/registry.h"

namespace wde::tokenizer {
namespace {

constexpr std::string_view kMark = "\u2581";

// Where the next part of `word` behind `at` begins: at a mark behind anything else.
size_t next_part(std::string_view word, size_t at) {
  for (size_t mark = word.find(kMark, at + 1); mark != word.npos;
       mark = word.find(kMark, mark + 1)) {
    if (!word.substr(0, mark).ends_with(kMark)) return mark;
  }
  return word.size();
}

}  // namespace

class Bpe::Symbols {
 public:
  void add(Symbol symbol) {
    if (count_ == kMaxScannedSymbols) long_.assign(short_, short_ + count_);
    if (count_ < kMaxScannedSymbols)
      short_[count_] = symbol;
    else
      long_.push_back(symbol);
    ++count_;
  }
  // What is left of them when they have merged.
  std::span<const Symbol> merge(const MergeTable& merges) {
    const std::span<Symbol> all = long_.empty() ? std::span(short_, count_) : std::span(long_);
    return all.first(merge_symbols(merges, all));
  }

 private:
  Symbol short_[kMaxScannedSymbols];
  std::vector<Symbol> long_;  // all of them, where they are more
  size_t count_ = 0;
};

Bpe::Bpe(Vocabulary vocabulary, MergeTable merges, BpeOptions options, bool marks_begin_words)
    : vocabulary_(std::move(vocabulary)),
      merges_(std::move(merges)),
      options_(std::move(options)),
      marks_begin_words_(marks_begin_words) {
  for (size_t byte = 0; byte < 256; ++byte) {
    char spelt[4];
    const auto length = static_cast<size_t>(
        unicode::encode(byte_level::char_of(static_cast<uint8_t>(byte)), spelt));
    char_ids_[byte] = vocabulary_.id({spelt, length}).value_or(-1);
    fallback_ids_[byte] = vocabulary_.id(fmt::format("<0x{:02X}>", byte)).value_or(-1);
  }
}

// Calls visit(part) for parts of `word` that can be encoded each by itself.
template <class Visit>
void Bpe::for_each_part(std::string_view word, const Visit& visit) const {
  if (!marks_begin_words_) return visit(word);
  for (size_t at = 0; at != word.size();) {
    const size_t behind = next_part(word, at);
    visit(word.substr(at, behind - at));
    at = behind;
  }
}

// An unknown character: its bytes, or the unknown token, which waits in `pending` until it is clear
// that no other joins it; as the package has it, bytes do not wait for that.
void Bpe::add_unknown(std::string_view spelling, uint32_t length, Symbol& pending,
                      Symbols& symbols) const {
  const bool has_bytes =
      options_.byte_fallback && std::all_of(spelling.begin(), spelling.end(), [&](char byte) {
        return fallback_ids_[static_cast<uint8_t>(byte)] >= 0;
      });
  if (has_bytes) {
    for (const char byte : spelling) symbols.add({fallback_ids_[static_cast<uint8_t>(byte)], 1});
    return;
  }
  if (!options_.unknown_id) return;
  if (pending.length != 0 && options_.fuses_unknown) {
    pending.length += length;
    return;
  }
  if (pending.length != 0) symbols.add(pending);
  pending = {*options_.unknown_id, length};
}

// The symbols of a word before any merge.
void Bpe::begin(std::string_view word, Symbols& symbols) const {
  Symbol pending;
  std::string with_affixes;
  const char* const end = word.data() + word.size();
  for (const char* at = word.data(); at != end;) {
    const char* const first = at;
    unicode::next(at);
    std::string_view spelling(first, static_cast<size_t>(at - first));
    const auto length = static_cast<uint32_t>(spelling.size());
    const bool prefixed = first != word.data() && !options_.prefix.empty();
    const bool suffixed = at == end && !options_.suffix.empty();
    if (prefixed || suffixed) {
      with_affixes = prefixed ? options_.prefix : "";
      with_affixes += spelling;
      if (suffixed) with_affixes += options_.suffix;
      spelling = with_affixes;
    }
    const std::optional<int32_t> id = vocabulary_.id(spelling);
    if (!id) {
      add_unknown(spelling, length, pending, symbols);
      continue;
    }
    if (pending.length != 0) symbols.add(pending);
    pending.length = 0;
    symbols.add({*id, length});
  }
  if (pending.length != 0) symbols.add(pending);
}

// The same for a word of bytes. Not every vocabulary has a character for each: some lack those that
// UTF-8 never uses.
void Bpe::begin_bytes(std::string_view word, Symbols& symbols) const {
  const bool all_known = std::all_of(word.begin(), word.end(), [this](char byte) {
    return char_ids_[static_cast<uint8_t>(byte)] >= 0;
  });
  if (!all_known) return begin(byte_level::spell(word), symbols);
  for (const char byte : word) symbols.add({char_ids_[static_cast<uint8_t>(byte)], 1});
}

void Bpe::tokenize(std::string_view text, Range word, std::vector<Token>& tokens) const {
  const std::string_view all = text.substr(word.begin, word.end - word.begin);
  if (options_.ignores_merges) {
    if (const std::optional<int32_t> id = vocabulary_.id(all)) return tokens.push_back({*id, word});
  }
  uint32_t part_begin = word.begin;
  for_each_part(all, [&](std::string_view part) {
    Symbols symbols;
    begin(part, symbols);
    // Lengths are summed up as the package does it: what was dropped has none, and where a
    // character with a suffix fell into bytes they come to more than the word.
    uint32_t at = part_begin;
    for (const Symbol& symbol : symbols.merge(merges_)) {
      const uint32_t from = std::min(at, word.end - 1);
      tokens.push_back({symbol.id, {from, std::clamp(at + symbol.length, from + 1, word.end)}});
      at += symbol.length;
    }
    part_begin += static_cast<uint32_t>(part.size());
  });
}

void Bpe::append_ids(std::string_view word, std::vector<int32_t>& ids) const {
  for_each_part(word, [&](std::string_view part) { append_part(part, ids); });
}

void Bpe::append_part(std::string_view part, std::vector<int32_t>& ids) const {
  const uint64_t hash = WordCache::hash_of(part, WordCache::Spelling::kText);
  if (cache_.append(part, WordCache::Spelling::kText, hash, ids)) return;
  const size_t before = ids.size();
  const std::optional<int32_t> whole =
      options_.ignores_merges ? vocabulary_.id(part) : std::nullopt;
  if (whole) {
    ids.push_back(*whole);
  } else {
    Symbols symbols;
    begin(part, symbols);
    for (const Symbol& symbol : symbols.merge(merges_)) ids.push_back(symbol.id);
  }
  cache_.insert(part, WordCache::Spelling::kText, hash, std::span(ids).subspan(before));
}

void Bpe::append_ids_of_bytes(std::string_view word, std::vector<int32_t>& ids) const {
  const uint64_t hash = WordCache::hash_of(word, WordCache::Spelling::kBytes);
  if (cache_.append(word, WordCache::Spelling::kBytes, hash, ids)) return;
  const size_t before = ids.size();
  const std::optional<int32_t> whole =
      options_.ignores_merges ? vocabulary_.id(byte_level::spell(word)) : std::nullopt;
  if (whole) {
    ids.push_back(*whole);
  } else {
    Symbols symbols;
    begin_bytes(word, symbols);
    for (const Symbol& symbol : symbols.merge(merges_)) ids.push_back(symbol.id);
  }
  cache_.insert(word, WordCache::Spelling::kBytes, hash, std::span(ids).subspan(before));
}

namespace {

using Made = Result<std::unique_ptr<Model>>;
using Spelling = std::pair<std::string_view, std::string_view>;

// "a b" or ["a", "b"].
Result<Spelling> read_merge(const json::value& from, size_t rank) {
  if (const json::array* pair = from.if_array()) {
    if (pair->size() == 2 && (*pair)[0].is_string() && (*pair)[1].is_string())
      return Spelling((*pair)[0].as_string(), (*pair)[1].as_string());
  } else if (const auto* text = from.if_string()) {
    const std::string_view both = *text;
    const size_t space = both.find(' ');
    if (space != both.npos && both.find(' ', space + 1) == both.npos)
      return Spelling(both.substr(0, space), both.substr(space + 1));
  }
  return data_loss_error("merge {} must be \"a b\" or [\"a\", \"b\"]", rank);
}

class MergeReader {
 public:
  MergeReader(const Vocabulary& vocabulary, const BpeOptions& options)
      : vocabulary_(vocabulary), options_(options) {}

  Result<MergeTable> read(const json::array& merges) {
    std::vector<MergeTable::Pair> pairs;
    pairs.reserve(merges.size());
    for (size_t rank = 0; rank < merges.size(); ++rank) {
      const auto* text = merges[rank].if_string();
      if (text != nullptr && text->starts_with("#version")) continue;
      WDE_ASSIGN_OR_RETURN(const Spelling spelling, read_merge(merges[rank], rank));
      WDE_ASSIGN_OR_RETURN(pairs.emplace_back(), pair_of(spelling, rank));
    }
    return MergeTable(pairs);
  }

  // Whether no merge joins something to a mark behind it.
  bool marks_begin_words() const { return marks_begin_words_; }

 private:
  Result<int32_t> id_of(std::string_view token, size_t rank) const {
    const std::optional<int32_t> id = vocabulary_.id(token);
    if (id) return *id;
    return data_loss_error("merge {} names \"{}\", which is not in the vocabulary", rank, token);
  }

  Result<MergeTable::Pair> pair_of(Spelling spelling, size_t rank) {
    const auto [left, right] = spelling;
    MergeTable::Pair pair;
    WDE_ASSIGN_OR_RETURN(pair.left, id_of(left, rank));
    WDE_ASSIGN_OR_RETURN(pair.right, id_of(right, rank));
    if (right.size() < options_.prefix.size())
      return data_loss_error("merge {}: \"{}\" lacks the prefix", rank, right);
    merged_ = left;
    merged_ += right.substr(options_.prefix.size());
    WDE_ASSIGN_OR_RETURN(pair.merged, id_of(merged_, rank));
    if (right.starts_with(kMark) && !left.ends_with(kMark)) marks_begin_words_ = false;
    return pair;
  }

  const Vocabulary& vocabulary_;
  const BpeOptions& options_;
  std::string merged_;
  bool marks_begin_words_ = true;
};

bool spells_all_bytes(const Vocabulary& vocabulary) {
  for (int byte = 0; byte < 256; ++byte) {
    const char bytes[] = {static_cast<char>(byte)};
    if (!vocabulary.id(byte_level::spell({bytes, 1}))) return false;
  }
  return true;
}

Result<BpeOptions> read_options(const json::object& spec, const Vocabulary& vocabulary) {
  WDE_ASSIGN_OR_RETURN(const double dropout, json::get_double(spec, "dropout", 0));
  if (dropout != 0) {
    return unsupported_error("dropout {}: the ids of a text would be other ones each time",
                             dropout);
  }
  BpeOptions options;
  WDE_ASSIGN_OR_RETURN(options.prefix, json::get_string(spec, "continuing_subword_prefix", ""));
  WDE_ASSIGN_OR_RETURN(options.suffix, json::get_string(spec, "end_of_word_suffix", ""));
  WDE_ASSIGN_OR_RETURN(options.fuses_unknown, json::get_bool(spec, "fuse_unk", false));
  WDE_ASSIGN_OR_RETURN(options.byte_fallback, json::get_bool(spec, "byte_fallback", false));
  WDE_ASSIGN_OR_RETURN(options.ignores_merges, json::get_bool(spec, "ignore_merges", false));
  const json::value* unknown = spec.if_contains("unk_token");
  if (unknown == nullptr || unknown->is_null()) return options;
  WDE_ASSIGN_OR_RETURN(const std::string token, json::get_string(spec, "unk_token", ""));
  options.unknown_id = vocabulary.id(token);
  // Where every byte has a character nothing is unknown, and files name what they like.
  if (!options.unknown_id && !spells_all_bytes(vocabulary))
    return data_loss_error("the unknown token \"{}\" is not in the vocabulary", token);
  return options;
}

constexpr size_t kMaxAffixBytes = 64;

}  // namespace

Made make_bpe(const json::object& spec) {
  WDE_ASSIGN_OR_RETURN(const json::object* tokens, json::get_object(spec, "vocab"));
  WDE_ASSIGN_OR_RETURN(const json::array* merges, json::get_array(spec, "merges"));
  if (tokens == nullptr || merges == nullptr)
    return data_loss_error("\"vocab\" or \"merges\" is missing");
  WDE_ASSIGN_OR_RETURN(Vocabulary vocabulary, Vocabulary::build(*tokens));
  WDE_ASSIGN_OR_RETURN(BpeOptions options, read_options(spec, vocabulary));
  if (options.prefix.size() > kMaxAffixBytes || options.suffix.size() > kMaxAffixBytes)
    return data_loss_error("a prefix or suffix of more than {} bytes", kMaxAffixBytes);
  MergeReader reader(vocabulary, options);
  WDE_ASSIGN_OR_RETURN(MergeTable table, reader.read(*merges));
  // A mark that is unknown, or a word's first or last character's affix, would tie parts together.
  const bool splits_at_marks = reader.marks_begin_words() && vocabulary.id(kMark).has_value() &&
                               options.prefix.empty() && options.suffix.empty() &&
                               !options.ignores_merges;
  return Made(std::make_unique<Bpe>(std::move(vocabulary), std::move(table), std::move(options),
                                    splits_at_marks));
}

}  // namespace wde::tokenizer
