#include "tokenizer/sentencepiece_merges.h"

#include <algorithm>

#include "tokenizer/unicode.h"

namespace wde::tokenizer {
namespace {

// Gemma's quarter of a million pieces come to some five million.
constexpr size_t kMaxMergeBytes = size_t{128} << 20;

}  // namespace

Result<json::array> merges_of_pieces(const std::vector<SentencepieceModel::Piece>& pieces,
                                     const PieceIds& ids) {
  struct Way {
    float score;
    int64_t left, right;
  };
  std::vector<Way> all;
  size_t total_bytes = 0;
  for (const SentencepieceModel::Piece& piece : pieces) {
    const std::string_view text = piece.text;
    if (text.empty()) continue;
    const auto first = static_cast<ptrdiff_t>(all.size());
    const char* at = text.data();
    for (unicode::next(at); at != text.data() + text.size(); unicode::next(at)) {
      const auto cut = static_cast<size_t>(at - text.data());
      const auto left = ids.find(text.substr(0, cut)), right = ids.find(text.substr(cut));
      if (left == ids.end() || right == ids.end()) continue;
      all.push_back({piece.score, left->second, right->second});
      total_bytes += text.size();
      if (total_bytes > kMaxMergeBytes) {
        return data_loss_error("ways to merge its pieces of more than {} bytes", kMaxMergeBytes);
      }
    }
    std::sort(all.begin() + first, all.end(), [](const Way& a, const Way& b) {
      return std::pair(a.left, a.right) < std::pair(b.left, b.right);
    });
  }
  std::stable_sort(all.begin(), all.end(),
                   [](const Way& a, const Way& b) { return a.score > b.score; });
  json::array merges;
  merges.reserve(all.size());
  for (const Way& way : all) {
    merges.push_back(json::array{json::value(pieces[static_cast<size_t>(way.left)].text),
                                 json::value(pieces[static_cast<size_t>(way.right)].text)});
  }
  return merges;
}

}  // namespace wde::tokenizer
