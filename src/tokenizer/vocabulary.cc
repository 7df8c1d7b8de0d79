#include "tokenizer/vocabulary.h"

#include <algorithm>

namespace wde::tokenizer {
namespace {

using Entry = Vocabulary::Entry;

Result<Entry> read_entry(const json::object::value_type& member) {
  const std::string_view token = member.key();
  const int64_t* id = member.value().if_int64();
  if (id == nullptr || *id < 0 || *id >= kMaxIds) {
    return data_loss_error("the id of token \"{}\" must be an integer from 0 to {}", token,
                           kMaxIds - 1);
  }
  return Entry(token, static_cast<int32_t>(*id));
}

// A token's first eight bytes as a number that compares as they do; shorter ones are filled up with
// zeros.
uint64_t leading_bytes(std::string_view token) {
  uint64_t bytes = 0;
  for (size_t i = 0; i < 8; ++i)
    bytes = bytes << 8 | (i < token.size() ? static_cast<uint8_t>(token[i]) : 0u);
  return bytes;
}

// Most comparisons are settled by numbers that lie in the array being sorted, without a look at the
// tokens.
void sort_by_token(std::vector<Entry>& entries) {
  struct Keyed {
    uint64_t leading;
    Entry entry;
    bool operator<(const Keyed& other) const {
      return leading != other.leading ? leading < other.leading : entry < other.entry;
    }
  };
  std::vector<Keyed> keyed;
  keyed.reserve(entries.size());
  for (const Entry& entry : entries) keyed.push_back({leading_bytes(entry.first), entry});
  std::sort(keyed.begin(), keyed.end());
  std::transform(keyed.begin(), keyed.end(), entries.begin(),
                 [](const Keyed& from) { return from.entry; });
}

}  // namespace

Result<Vocabulary> Vocabulary::build(const json::object& ids_by_token) {
  std::vector<Entry> entries;
  entries.reserve(ids_by_token.size());
  for (const auto& member : ids_by_token) {
    WDE_ASSIGN_OR_RETURN(entries.emplace_back(), read_entry(member));
  }
  return build(std::move(entries));
}

Result<Vocabulary> Vocabulary::build(std::vector<Entry> entries) {
  size_t total_bytes = 0;
  int32_t largest = -1;
  for (const auto& [token, id] : entries) {
    if (token.size() > kMaxTokenBytes) {
      return data_loss_error("a token of {} bytes; at most {} are supported", token.size(),
                             kMaxTokenBytes);
    }
    total_bytes += token.size();
    largest = std::max(largest, id);
  }
  if (total_bytes > kMaxVocabularyBytes || largest >= kMaxIds) {
    return data_loss_error("a vocabulary of {} bytes and {} ids; at most {} and {} are supported",
                           total_bytes, int64_t{largest} + 1, kMaxVocabularyBytes, kMaxIds);
  }
  sort_by_token(entries);
  Vocabulary result;
  result.bytes_.reserve(total_bytes);
  result.spans_.resize(static_cast<size_t>(largest + 1));
  std::vector<bool> seen(result.spans_.size());
  for (auto& [token, id] : entries) {
    const auto index = static_cast<size_t>(id);
    if (seen[index]) return data_loss_error("two tokens have the id {}; one is \"{}\"", id, token);
    seen[index] = true;
    result.spans_[index] = {static_cast<uint32_t>(result.bytes_.size()),
                            static_cast<uint32_t>(token.size())};
    result.bytes_ += token;
    // The trie's builder reads all tokens byte by byte: let it find them side by side.
    token = std::string_view(result.bytes_).substr(result.spans_[index].begin);
  }
  result.size_ = static_cast<int>(entries.size());
  // Of equal tokens the last one, which has the largest id.
  const auto same = [](const Entry& a, const Entry& b) { return a.first == b.first; };
  const auto kept = std::unique(entries.rbegin(), entries.rend(), same);
  entries.erase(entries.begin(), kept.base());
  result.trie_ = ByteTrie::build(entries);
  return result;
}

std::string_view Vocabulary::token(int32_t id) const {
  if (id < 0 || static_cast<size_t>(id) >= spans_.size()) return {};
  const Span span = spans_[static_cast<size_t>(id)];
  return std::string_view(bytes_).substr(span.begin, span.length);
}

}  // namespace wde::tokenizer
