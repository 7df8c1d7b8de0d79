#include "tokenizer/byte_word_scanner.h"

namespace wde::tokenizer {

std::unique_ptr<ByteWordScanner> ByteWordScanner::make(const Normalizer* normalizer,
                                                       const PreTokenizer* pre_tokenizer,
                                                       const Model& model,
                                                       const AddedTokenMatcher& added) {
  if (pre_tokenizer == nullptr || !model.takes_bytes()) return nullptr;
  const std::optional<Cutting> cutting = pre_tokenizer->cutting();
  if (!cutting || !cutting->writes_bytes) return nullptr;
  return std::unique_ptr<ByteWordScanner>(new ByteWordScanner(normalizer, *cutting, model, added));
}

bool ByteWordScanner::scan(std::string_view text, size_t enough, std::vector<int32_t>& ids) const {
  if (normalizer_ == nullptr || normalizer_->keeps(text)) {
    scan_normalized(text, enough, ids);
    return true;
  }
  NormalizedText normalized = NormalizedText::from(text, 0, false);
  normalizer_->normalize(normalized);
  if (normalized.failed) return false;
  scan_normalized(normalized.text, enough, ids);
  return true;
}

void ByteWordScanner::scan_normalized(std::string_view text, size_t enough,
                                      std::vector<int32_t>& ids) const {
  if (!added_.may_be_in(text)) return scan_stretch(text, enough, ids);
  std::vector<Segment> segments;
  added_.split(text, {0, static_cast<uint32_t>(text.size())}, segments);
  for (const auto& [range, token] : segments) {
    if (ids.size() > enough) break;
    if (token != nullptr)
      ids.push_back(token->id);
    else
      scan_stretch(text.substr(range.begin, range.end - range.begin), enough, ids);
  }
}

void ByteWordScanner::scan_stretch(std::string_view stretch, size_t enough,
                                   std::vector<int32_t>& ids) const {
  std::string spaced;
  if (cutting_.adds_space && !stretch.empty() && stretch[0] != ' ') {
    spaced = " ";
    stretch = spaced += stretch;
  }
  const char* const end = stretch.data() + stretch.size();
  for (const char* at = stretch.data(); at != end && ids.size() <= enough;) {
    const char* const behind = cutting_.word_end == nullptr ? end : cutting_.word_end(at, end);
    model_.append_ids_of_bytes({at, static_cast<size_t>(behind - at)}, ids);
    at = behind;
  }
}

}  // namespace wde::tokenizer
