#include "tokenizer/added_vocabulary.h"

#include <algorithm>
#include <memory>

#include "base/log.h"
#include "tokenizer/vocabulary.h"

namespace wde::tokenizer {
namespace {

// Bounds what one position of a text can cost to look at.
constexpr size_t kMaxPatternBytes = 1024;

bool has_class(char32_t c, uint8_t classes) {
  return (unicode::CharClasses::get().of(c) & classes) != 0;
}

// Whether text[range] has no word character right before or behind it, within [begin, text.size()).
bool stands_alone(std::string_view text, size_t begin, Range range) {
  if (range.begin != begin) {
    const char* at = text.data() + range.begin;
    if (has_class(unicode::previous(at), unicode::kWord)) return false;
  }
  if (range.end == text.size()) return true;
  const char* at = text.data() + range.end;
  return !has_class(unicode::next(at), unicode::kWord);
}

// Moves the range's begin left over white space, not beyond `limit`.
void take_left_spaces(std::string_view text, size_t limit, Range& range) {
  const char* at = text.data() + range.begin;
  while (at > text.data() + limit) {
    const char* before = at;
    if (!has_class(unicode::previous(before), unicode::kWhitespace)) break;
    at = before;
  }
  range.begin = static_cast<uint32_t>(at - text.data());
}

void take_right_spaces(std::string_view text, Range& range) {
  const char* at = text.data() + range.end;
  while (at != text.data() + text.size()) {
    const char* behind = at;
    if (!has_class(unicode::next(behind), unicode::kWhitespace)) break;
    at = behind;
  }
  range.end = static_cast<uint32_t>(at - text.data());
}

Result<AddedToken> read_token(const json::object& spec) {
  AddedToken token;
  WDE_ASSIGN_OR_RETURN(token.content, json::get_string(spec, "content", ""));
  WDE_ASSIGN_OR_RETURN(token.single_word, json::get_bool(spec, "single_word", false));
  WDE_ASSIGN_OR_RETURN(token.lstrip, json::get_bool(spec, "lstrip", false));
  WDE_ASSIGN_OR_RETURN(token.rstrip, json::get_bool(spec, "rstrip", false));
  WDE_ASSIGN_OR_RETURN(token.special, json::get_bool(spec, "special", false));
  WDE_ASSIGN_OR_RETURN(token.normalized, json::get_bool(spec, "normalized", !token.special));
  if (token.content.size() > kMaxPatternBytes) {
    return data_loss_error("an added token of {} bytes; at most {} are supported",
                           token.content.size(), kMaxPatternBytes);
  }
  return token;
}

Result<int64_t> read_id(const json::object& spec) {
  WDE_ASSIGN_OR_RETURN(const int64_t id, json::get_int(spec, "id", -1));
  if (id < 0 || id >= kMaxIds)
    return data_loss_error("an added token's id must be from 0 to {}", kMaxIds - 1);
  return id;
}

Status set_pattern(AddedToken& token, const Normalizer* normalizer) {
  token.pattern = token.content;
  if (!token.normalized || normalizer == nullptr) return {};
  NormalizedText text = NormalizedText::from(token.content, 0, false);
  normalizer->normalize(text);
  token.pattern = std::move(text.text);
  if (text.failed || token.pattern.empty() || token.pattern.size() > kMaxPatternBytes) {
    return data_loss_error("added token \"{}\" has {} bytes when normalized", token.content,
                           token.pattern.size());
  }
  return {};
}

}  // namespace

AddedTokenMatcher::AddedTokenMatcher(std::vector<const AddedToken*> tokens)
    : tokens_(std::move(tokens)) {
  const auto less = [](const AddedToken* a, const AddedToken* b) {
    return a->pattern < b->pattern;
  };
  const auto equal = [](const AddedToken* a, const AddedToken* b) {
    return a->pattern == b->pattern;
  };
  std::stable_sort(tokens_.begin(), tokens_.end(), less);
  tokens_.erase(std::unique(tokens_.begin(), tokens_.end(), equal), tokens_.end());
  std::vector<std::pair<std::string_view, int32_t>> patterns;
  for (const AddedToken* token : tokens_)
    patterns.emplace_back(token->pattern, static_cast<int32_t>(patterns.size()));
  patterns_ = ByteTrie::build(patterns);
  for (size_t byte = 0; byte < 256; ++byte) {
    if (may_begin_with(static_cast<char>(byte))) first_bytes_ += static_cast<char>(byte);
  }
}

bool AddedTokenMatcher::may_be_in(std::string_view text) const {
  // Most vocabularies have one or two: "[" of [CLS], "<" of <s>.
  constexpr size_t kFew = 4;
  if (first_bytes_.size() > kFew) {
    return std::any_of(text.begin(), text.end(),
                       [this](char byte) { return may_begin_with(byte); });
  }
  return std::any_of(first_bytes_.begin(), first_bytes_.end(),
                     [&](char byte) { return text.find(byte) != std::string_view::npos; });
}

const AddedToken* AddedTokenMatcher::longest_at(std::string_view text) const {
  const AddedToken* longest = nullptr;
  uint32_t node = ByteTrie::kRoot;
  for (const char byte : text) {
    node = patterns_.step(node, static_cast<uint8_t>(byte));
    if (node == ByteTrie::kNowhere) break;
    const int32_t found = patterns_.number(node);
    if (found >= 0) longest = tokens_[static_cast<size_t>(found)];
  }
  return longest;
}

void AddedTokenMatcher::split(std::string_view text, Range within,
                              std::vector<Segment>& segments) const {
  text = text.substr(0, within.end);
  uint32_t done = within.begin;   // where the last segment ended
  uint32_t taken = within.begin;  // where the furthest segment ended
  for (uint32_t at = within.begin; !empty() && at != within.end;) {
    const AddedToken* token = may_begin_with(text[at]) ? longest_at(text.substr(at)) : nullptr;
    if (token == nullptr) {
      ++at;
      continue;
    }
    Range range = {at, at + static_cast<uint32_t>(token->pattern.size())};
    at = range.end;
    if (token->single_word && !stands_alone(text, within.begin, range)) continue;
    // Inside white space that a token before has taken it is known where that ends; looking again
    // for every token of a long run would be quadratic.
    const bool overlaps = range.begin < taken;
    if (token->lstrip && !overlaps) take_left_spaces(text, done, range);
    if (token->rstrip && !overlaps) take_right_spaces(text, range);
    if (token->rstrip && overlaps) range.end = std::max(range.end, taken);
    if (done < range.begin) segments.push_back({{done, range.begin}});
    segments.push_back({range, token});
    done = range.end;
    taken = std::max(taken, done);
  }
  if (done != within.end) segments.push_back({{done, within.end}});
}

Status AddedVocabulary::add(AddedToken token, int64_t id_in_file, const Model& model,
                            int32_t& next_id) {
  const std::optional<int32_t> model_id = model.token_to_id(token.content);
  const std::optional<int32_t> known_id =
      ids_.contains(token.content) ? id(token.content) : model_id;
  token.id = known_id ? *known_id : next_id++;
  if (token.id >= kMaxIds)
    return data_loss_error("added token \"{}\" gets the id {}", token.content, token.id);
  if (!known_id && !model.id_to_token(token.id).empty()) {
    return data_loss_error("added token \"{}\" would get the id {} of \"{}\"", token.content,
                           token.id, model.id_to_token(token.id));
  }
  if (token.id != id_in_file) {
    log::warning("added token \"{}\" has the id {}, not {} as its file says", token.content,
                 token.id, id_in_file);
  }
  if (!known_id) ++beyond_model_;
  if (token.special) special_contents_.insert(token.content);
  ids_[token.content] = token.id;
  tokens_[token.id] = std::move(token);
  return {};
}

void AddedVocabulary::index() {
  std::vector<const AddedToken*> raw;
  std::vector<const AddedToken*> normalized;
  for (const auto& [id, token] : tokens_) (token.normalized ? normalized : raw).push_back(&token);
  raw_ = AddedTokenMatcher(std::move(raw));
  normalized_ = AddedTokenMatcher(std::move(normalized));
}

Result<AddedVocabulary> AddedVocabulary::build(const json::array* specs, const Model& model,
                                               const Normalizer* normalizer) {
  AddedVocabulary result;
  int32_t next_id = model.vocab_size();
  for (size_t i = 0; specs != nullptr && i < specs->size(); ++i) {
    const json::object* spec = (*specs)[i].if_object();
    if (spec == nullptr) return data_loss_error("\"added_tokens\" must hold objects");
    WDE_ASSIGN_OR_RETURN(AddedToken token, read_token(*spec));
    WDE_ASSIGN_OR_RETURN(const int64_t id_in_file, read_id(*spec));
    if (token.content.empty()) continue;
    WDE_RETURN_IF_ERROR(set_pattern(token, normalizer));
    WDE_RETURN_IF_ERROR(result.add(std::move(token), id_in_file, model, next_id));
  }
  result.index();
  return result;
}

const AddedToken* AddedVocabulary::find(int32_t id) const {
  const auto found = tokens_.find(id);
  return found == tokens_.end() ? nullptr : &found->second;
}

std::optional<int32_t> AddedVocabulary::id(std::string_view content) const {
  const auto found = ids_.find(content);
  if (found == ids_.end()) return std::nullopt;
  return found->second;
}

bool AddedVocabulary::is_special_content(std::string_view content) const {
  return special_contents_.contains(content);
}

}  // namespace wde::tokenizer
