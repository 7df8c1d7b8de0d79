#include "tokenizer/delimiter.h"

#include <algorithm>

namespace wde::tokenizer {
namespace {

struct Piece {
  Range range;
  bool delimiter = false;
};

std::vector<Piece> pieces_of(Range stretch, std::span<const Range> matches, bool match_delimits) {
  std::vector<Piece> pieces;
  pieces.reserve(2 * matches.size() + 1);
  uint32_t done = stretch.begin;
  for (const Range& match : matches) {
    if (done != match.begin) pieces.push_back({{done, match.begin}, !match_delimits});
    pieces.push_back({match, match_delimits});
    done = match.end;
  }
  if (done != stretch.end) pieces.push_back({{done, stretch.end}, !match_delimits});
  return pieces;
}

// Appends a piece as a word, or joins it to the word before it when `join` says so.
void add_word(const Piece& piece, bool join, std::vector<Range>& words, size_t first_word) {
  if (join && words.size() > first_word) {
    words.back() = {std::min(words.back().begin, piece.range.begin),
                    std::max(words.back().end, piece.range.end)};
  } else {
    words.push_back(piece.range);
  }
}

}  // namespace

Result<Delimiter> read_delimiter(const json::object& spec, std::string_view fallback) {
  constexpr std::pair<std::string_view, Delimiter> kNames[] = {
      {"Removed", Delimiter::kRemoved},
      {"Isolated", Delimiter::kIsolated},
      {"MergedWithPrevious", Delimiter::kMergedWithPrevious},
      {"MergedWithNext", Delimiter::kMergedWithNext},
      {"Contiguous", Delimiter::kContiguous},
  };
  WDE_ASSIGN_OR_RETURN(const std::string name, json::get_string(spec, "behavior", fallback));
  for (const auto& [known, delimiter] : kNames) {
    if (known == name) return delimiter;
  }
  return unsupported_error("behavior \"{}\"", name);
}

void append_split(Range stretch, std::span<const Range> delimiters, Matches matches,
                  Delimiter behavior, std::vector<Range>& words) {
  const std::vector<Piece> pieces =
      pieces_of(stretch, delimiters, matches == Matches::kAreDelimiters);
  const size_t first_word = words.size();
  const bool backwards = behavior == Delimiter::kMergedWithNext;
  bool after_delimiter = false;
  for (size_t i = 0; i < pieces.size(); ++i) {
    const Piece& piece = pieces[backwards ? pieces.size() - 1 - i : i];
    switch (behavior) {
      case Delimiter::kRemoved:
        if (!piece.delimiter) words.push_back(piece.range);
        break;
      case Delimiter::kIsolated:
        words.push_back(piece.range);
        break;
      case Delimiter::kMergedWithPrevious:
      case Delimiter::kMergedWithNext:
        add_word(piece, piece.delimiter && !after_delimiter, words, first_word);
        break;
      case Delimiter::kContiguous:
        add_word(piece, piece.delimiter == after_delimiter, words, first_word);
        break;
    }
    after_delimiter = piece.delimiter;
  }
  const auto first = words.begin() + static_cast<ptrdiff_t>(first_word);
  if (backwards) std::reverse(first, words.end());
  words.erase(
      std::remove_if(first, words.end(), [](const Range& word) { return word.begin == word.end; }),
      words.end());
}

}  // namespace wde::tokenizer
