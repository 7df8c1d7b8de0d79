#include "tokenizer/vocabulary.h"

#include <algorithm>

namespace wde::tokenizer {
namespace {

constexpr size_t kMaxTokenBytes = 1024;
constexpr size_t kMaxVocabularyBytes = size_t{64} << 20;

using Entry = std::pair<std::string_view, int32_t>;

Result<Entry> read_entry(const json::object::value_type& member) {
  const std::string_view token = member.key();
  if (token.size() > kMaxTokenBytes) {
    return data_loss_error("a token of {} bytes; at most {} are supported", token.size(),
                           kMaxTokenBytes);
  }
  const int64_t* id = member.value().if_int64();
  if (id == nullptr || *id < 0 || *id >= kMaxIds) {
    return data_loss_error("the id of token \"{}\" must be an integer from 0 to {}", token,
                           kMaxIds - 1);
  }
  return Entry(token, static_cast<int32_t>(*id));
}

}  // namespace

Result<Vocabulary> Vocabulary::build(const json::object& ids_by_token) {
  std::vector<Entry> entries;
  entries.reserve(ids_by_token.size());
  size_t total_bytes = 0;
  int32_t largest = -1;
  for (const auto& member : ids_by_token) {
    WDE_ASSIGN_OR_RETURN(const Entry entry, read_entry(member));
    entries.push_back(entry);
    total_bytes += entry.first.size();
    largest = std::max(largest, entry.second);
  }
  if (total_bytes > kMaxVocabularyBytes) {
    return data_loss_error("a vocabulary of {} bytes; at most {} are supported", total_bytes,
                           kMaxVocabularyBytes);
  }
  std::sort(entries.begin(), entries.end());
  Vocabulary result;
  result.bytes_.reserve(total_bytes);
  result.spans_.resize(static_cast<size_t>(largest + 1));
  std::vector<bool> seen(result.spans_.size());
  for (const auto& [token, id] : entries) {
    const auto index = static_cast<size_t>(id);
    if (seen[index]) return data_loss_error("two tokens have the id {}; one is \"{}\"", id, token);
    seen[index] = true;
    result.spans_[index] = {static_cast<uint32_t>(result.bytes_.size()),
                            static_cast<uint32_t>(token.size())};
    result.bytes_ += token;
  }
  result.size_ = static_cast<int>(entries.size());
  result.trie_ = ByteTrie::build(entries);
  return result;
}

std::string_view Vocabulary::token(int32_t id) const {
  if (id < 0 || static_cast<size_t>(id) >= spans_.size()) return {};
  const Span span = spans_[static_cast<size_t>(id)];
  return std::string_view(bytes_).substr(span.begin, span.length);
}

}  // namespace wde::tokenizer
