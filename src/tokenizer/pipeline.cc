#include "tokenizer/pipeline.h"

#include <algorithm>
#include <limits>

#include "base/utf8.h"
#include "tokenizer/byte_word_scanner.h"
#include "tokenizer/word_scanner.h"

namespace wde::tokenizer {
namespace {

using Kind = TemplatePiece::Kind;

constexpr size_t kUnlimited = std::numeric_limits<size_t>::max();
// Positions in a normalized text are 32 bits wide.
constexpr double kMaxNormalizedBytes = 2147483647.0;
// Enough room for the ids of most texts in Latin letters; others grow it once or twice.
constexpr size_t kBytesPerReservedId = 4;

// Keeps `count` elements, at the end where `side` is the left.
template <class Element>
void truncate(std::vector<Element>& tokens, size_t count, Side side) {
  if (tokens.size() <= count) return;
  const auto excess = static_cast<ptrdiff_t>(tokens.size() - count);
  if (side == Side::kRight)
    tokens.erase(tokens.end() - excess, tokens.end());
  else
    tokens.erase(tokens.begin(), tokens.begin() + excess);
}

// Lets append(word, to) have the words, from the side that stays, until `to` holds more than
// `enough` elements (one too many says "truncated"; a word may have none), which then stand in the
// text's order.
template <class Word, class Element, class Append>
void gather(const std::vector<Word>& words, size_t enough, Side side, std::vector<Element>& to,
            const Append& append) {
  size_t done = 0;
  while (done < words.size() && to.size() <= enough) {
    const auto begin = static_cast<ptrdiff_t>(to.size());
    append(side == Side::kRight ? words[done] : words[words.size() - 1 - done], to);
    ++done;
    // From the right all is gathered backwards and turned round at the end.
    if (side == Side::kLeft) std::reverse(to.begin() + begin, to.end());
  }
  if (side == Side::kLeft) std::reverse(to.begin(), to.end());
}

// How many tokens of each sequence stay: only the longer one is cut where that is enough, else both
// come to one half, the longer one to the larger (huggingface/tokenizers, utils/truncation.rs).
std::pair<size_t, size_t> longest_first(size_t text, size_t pair, size_t limit) {
  if (text + pair <= limit) return {text, pair};
  size_t shorter = std::min(text, pair);
  size_t longer = shorter > limit ? shorter : std::max(shorter, limit - shorter);
  if (shorter + longer > limit) {
    shorter = limit / 2;
    longer = shorter + limit % 2;
  }
  return text > pair ? std::pair(longer, shorter) : std::pair(shorter, longer);
}

int count_special(const Template& layout) {
  return static_cast<int>(std::count_if(layout.begin(), layout.end(), [](const TemplatePiece& p) {
    return p.kind == Kind::kSpecial;
  }));
}

std::unique_ptr<TextScanner> make_scanner(const Parts& parts, const AddedTokenMatcher& added) {
  const Normalizer* normalizer = parts.normalizer.get();
  const PreTokenizer* pre_tokenizer = parts.pre_tokenizer.get();
  if (auto words = WordScanner::make(normalizer, pre_tokenizer, *parts.model, added)) return words;
  return ByteWordScanner::make(normalizer, pre_tokenizer, *parts.model, added);
}

}  // namespace

Pipeline::Pipeline(Parts parts, AddedVocabulary added)
    : parts_(std::move(parts)),
      added_(std::move(added)),
      scanner_(make_scanner(parts_, added_.normalized())) {}

Result<std::unique_ptr<Tokenizer>> Pipeline::make(Parts parts, AddedVocabulary added) {
  std::unique_ptr<Pipeline> pipeline(new Pipeline(std::move(parts), std::move(added)));
  for (const bool pair : {false, true}) {
    for (const TemplatePiece& piece : pipeline->parts_.post_processor->layout(pair)) {
      if (piece.kind != Kind::kSpecial) continue;
      const Status status = pipeline->check_id(piece.id);
      if (!status.ok())
        return data_loss_error("the post-processor adds a token: {}", status.message());
    }
  }
  return Result<std::unique_ptr<Tokenizer>>(std::move(pipeline));
}

Result<Encoding> Pipeline::encode(std::string_view text, std::optional<std::string_view> pair,
                                  const EncodeOptions& options) const {
  WDE_ASSIGN_OR_RETURN(const Limits limit, limits(pair.has_value(), options));
  WDE_ASSIGN_OR_RETURN(Sequence first, tokenize(text, limit, options));
  Sequence second;
  if (pair) {
    WDE_ASSIGN_OR_RETURN(second, tokenize(*pair, limit, options));
  }
  const auto [keep_first, keep_second] =
      longest_first(first.ids.size(), second.ids.size(), limit.tokens);
  first.truncated |=
      first.ids.size() > keep_first || second.truncated || second.ids.size() > keep_second;
  for (auto [sequence, keep] : {std::pair(&first, keep_first), std::pair(&second, keep_second)}) {
    truncate(sequence->ids, keep, options.truncation_side);
    truncate(sequence->tokens, keep, options.truncation_side);
  }
  return assemble(first, pair ? &second : nullptr, options);
}

Result<Encoding> Pipeline::encode_ids(std::span<const int32_t> ids,
                                      const EncodeOptions& options) const {
  WDE_ASSIGN_OR_RETURN(const Limits limit, limits(false, options));
  Sequence sequence;
  for (const int32_t id : ids) WDE_RETURN_IF_ERROR(check_id(id));
  sequence.ids.assign(ids.begin(), ids.end());
  sequence.truncated = ids.size() > limit.tokens;
  truncate(sequence.ids, limit.tokens, options.truncation_side);
  return assemble(sequence, nullptr, options);
}

Result<Pipeline::Limits> Pipeline::limits(bool pair, const EncodeOptions& options) const {
  if (options.max_length < 0)
    return invalid_argument_error("max_length {} is negative", options.max_length);
  if (options.max_length == 0) return Limits{kUnlimited, kUnlimited};
  const int added = options.add_special_tokens ? special_tokens_added(pair) : 0;
  if (options.max_length < added) {
    return invalid_argument_error("a length of {} leaves no room for the {} special tokens",
                                  options.max_length, added);
  }
  const auto tokens = static_cast<size_t>(options.max_length - added);
  // A pair is cut by the full lengths of both.
  return Limits{pair ? kUnlimited : tokens, tokens};
}

Result<Pipeline::Sequence> Pipeline::tokenize(std::string_view text, const Limits& limits,
                                              const EncodeOptions& options) const {
  const double growth = (parts_.normalizer ? parts_.normalizer->growth() : 1) *
                        (parts_.pre_tokenizer ? parts_.pre_tokenizer->growth() : 1);
  // U+FFFD takes three bytes for an ill-formed one.
  if (static_cast<double>(text.size()) * 3 * growth > kMaxNormalizedBytes) {
    return invalid_argument_error("a text of {} bytes is too long to tokenize", text.size());
  }
  std::string replaced;
  if (!is_valid_utf8(text)) {
    replaced = replace_invalid_utf8(text);
    text = replaced;
  }
  Sequence sequence;
  if (!options.offsets && scanner_ != nullptr && scan(text, limits, options, sequence.ids))
    return sequence;
  run_parts(text, limits, options, sequence);
  if (sequence.text.failed) {
    return invalid_argument_error(
        "a regular expression of the tokenizer takes too long on a text of {} bytes", text.size());
  }
  return sequence;
}

bool Pipeline::scan(std::string_view text, const Limits& limits, const EncodeOptions& options,
                    std::vector<int32_t>& ids) const {
  // From the left nothing is known of a text's end. One id beyond the limit says "truncated".
  const size_t enough = options.truncation_side == Side::kRight ? limits.words : kUnlimited;
  ids.reserve(std::min(text.size() / kBytesPerReservedId, enough) + 1);
  if (!added_.raw().may_be_in(text)) return scanner_->scan(text, enough, ids);
  std::vector<Segment> segments;
  added_.raw().split(text, {0, static_cast<uint32_t>(text.size())}, segments);
  for (const auto& [range, token] : segments) {
    if (ids.size() > enough) break;
    if (token != nullptr)
      ids.push_back(token->id);
    else if (!scanner_->scan(text.substr(range.begin, range.end - range.begin), enough, ids))
      return false;
  }
  return true;
}

void Pipeline::run_parts(std::string_view text, const Limits& limits, const EncodeOptions& options,
                         Sequence& sequence) const {
  std::vector<Word> words;
  sequence.text = normalize(text, options, words);
  if (sequence.text.failed) return;
  const Side side = options.truncation_side;
  sequence.ids.clear();
  if (!options.offsets) {
    gather(words, limits.words, side, sequence.ids,
           [&](const Word& word, auto& ids) { append_ids(word, sequence.text.text, ids); });
    return;
  }
  gather(words, limits.words, side, sequence.tokens,
         [&](const Word& word, auto& tokens) { append_tokens(word, sequence.text.text, tokens); });
  for (const Token& token : sequence.tokens) sequence.ids.push_back(token.id);
}

NormalizedText Pipeline::normalize(std::string_view text, const EncodeOptions& options,
                                   std::vector<Word>& words) const {
  std::vector<Segment> segments;
  added_.raw().split(text, {0, static_cast<uint32_t>(text.size())}, segments);
  NormalizedText whole;
  whole.tracked = options.offsets;
  size_t counted_bytes = 0;
  uint32_t code_points = 0;
  for (const Segment& segment : segments) {
    if (options.offsets && counted_bytes <= segment.range.begin) {
      code_points += static_cast<uint32_t>(
          count_code_points(text.substr(counted_bytes, segment.range.begin - counted_bytes)));
    } else if (options.offsets) {  // a segment that overlaps the one before
      code_points -= static_cast<uint32_t>(
          count_code_points(text.substr(segment.range.begin, counted_bytes - segment.range.begin)));
    }
    counted_bytes = segment.range.begin;
    const std::string_view original =
        text.substr(segment.range.begin, segment.range.end - segment.range.begin);
    NormalizedText piece = NormalizedText::from(original, code_points, options.offsets);
    if (segment.token == nullptr && parts_.normalizer) parts_.normalizer->normalize(piece);
    whole.failed |= piece.failed;
    if (whole.failed) break;
    if (segment.token == nullptr && parts_.pre_tokenizer && parts_.pre_tokenizer->rewrites()) {
      append_rewritten(piece, segment.range.begin == 0, whole, words);
      continue;
    }
    const auto begin = static_cast<uint32_t>(whole.text.size());
    if (begin == 0)
      whole = std::move(piece);
    else
      whole.append(piece);
    const Range range = {begin, static_cast<uint32_t>(whole.text.size())};
    if (segment.token != nullptr)
      words.push_back({range, segment.token});
    else
      append_words(whole, range, words);
  }
  return whole;
}

void Pipeline::append_words(const NormalizedText& text, Range within,
                            std::vector<Word>& words) const {
  std::vector<Segment> segments;
  added_.normalized().split(text.text, within, segments);
  std::vector<Range> ranges;
  for (const Segment& segment : segments) {
    if (segment.token != nullptr) {
      words.push_back({segment.range, segment.token});
      continue;
    }
    ranges.clear();
    if (parts_.pre_tokenizer)
      parts_.pre_tokenizer->split(text.text, segment.range, ranges);
    else
      ranges.push_back(segment.range);
    for (const Range& range : ranges) words.push_back({range});
  }
}

void Pipeline::append_rewritten(const NormalizedText& piece, bool begins_text,
                                NormalizedText& whole, std::vector<Word>& words) const {
  std::vector<Segment> segments;
  added_.normalized().split(piece.text, {0, static_cast<uint32_t>(piece.text.size())}, segments);
  std::vector<Range> ranges;
  for (const Segment& segment : segments) {
    const Range range = segment.range;
    if (segment.token != nullptr) {
      const auto begin = static_cast<uint32_t>(whole.text.size());
      whole.append(piece, range.begin, range.end);
      words.push_back({{begin, static_cast<uint32_t>(whole.text.size())}, segment.token});
      continue;
    }
    ranges.clear();
    parts_.pre_tokenizer->rewrite(piece, {range, begins_text && range.begin == 0}, whole, ranges);
    for (const Range& word : ranges) words.push_back({word});
  }
}

void Pipeline::append_tokens(const Word& word, std::string_view text,
                             std::vector<Token>& tokens) const {
  if (word.added != nullptr)
    tokens.push_back({word.added->id, word.range, true});
  else
    parts_.model->tokenize(text, word.range, tokens);
}

void Pipeline::append_ids(const Word& word, std::string_view text,
                          std::vector<int32_t>& ids) const {
  if (word.added != nullptr)
    ids.push_back(word.added->id);
  else
    parts_.model->append_ids(text.substr(word.range.begin, word.range.end - word.range.begin), ids);
}

Encoding Pipeline::assemble(const Sequence& text, const Sequence* pair,
                            const EncodeOptions& options) const {
  const Template& layout = parts_.post_processor->layout(pair != nullptr);
  const size_t count = text.ids.size() + (pair != nullptr ? pair->ids.size() : 0) + layout.size();
  Encoding result;
  result.truncated = text.truncated;
  result.ids.reserve(count);
  result.type_ids.reserve(count);
  result.special_mask.reserve(count);
  result.offsets.reserve(options.offsets ? count : 0);
  result.sequence.reserve(options.offsets ? count : 0);
  for (const TemplatePiece& piece : layout) {
    if (piece.kind == Kind::kText) append_sequence(text, piece, options, result);
    if (piece.kind == Kind::kPair) append_sequence(*pair, piece, options, result);
    if (piece.kind != Kind::kSpecial || !options.add_special_tokens) continue;
    result.ids.push_back(piece.id);
    result.type_ids.push_back(piece.type_id);
    result.special_mask.push_back(1);
    if (!options.offsets) continue;
    result.offsets.push_back({});
    result.sequence.push_back(-1);
  }
  return result;
}

void Pipeline::append_sequence(const Sequence& from, const TemplatePiece& piece,
                               const EncodeOptions& options, Encoding& to) const {
  const size_t count = from.ids.size();
  to.ids.insert(to.ids.end(), from.ids.begin(), from.ids.end());
  to.type_ids.insert(to.type_ids.end(), count, piece.type_id);
  to.special_mask.insert(to.special_mask.end(), count, 0);
  if (!options.offsets) return;
  for (size_t i = 0; i < count; ++i) to.offsets.push_back(offset_of(from, i));
  to.sequence.insert(to.sequence.end(), count, static_cast<int8_t>(piece.kind));
}

Offset Pipeline::offset_of(const Sequence& from, size_t index) const {
  if (from.tokens.empty()) return {};  // a client's ids: no text stands behind them
  const Token& token = from.tokens[index];
  const Offset offset = {from.text.origin(token.range.begin).begin,
                         from.text.origin(token.range.end - 1).end};
  if (!parts_.post_processor->trims()) return offset;
  const std::string_view value =
      token.added ? std::string_view(from.text.text)
                        .substr(token.range.begin, token.range.end - token.range.begin)
                  : parts_.model->id_to_token(token.id);
  return parts_.post_processor->trim(value, offset, index == 0);
}

Result<std::string> Pipeline::decode(std::span<const int32_t> ids, bool skip_special_tokens) const {
  std::vector<std::string> tokens;
  tokens.reserve(ids.size());
  for (const int32_t id : ids) {
    WDE_RETURN_IF_ERROR(check_id(id));
    const std::string_view token = id_to_token(id);
    if (!skip_special_tokens || !added_.is_special_content(token)) tokens.emplace_back(token);
  }
  if (parts_.decoder) parts_.decoder->decode(tokens);
  std::string text;
  for (size_t i = 0; i < tokens.size(); ++i) {
    if (i != 0 && parts_.decoder == nullptr) text += ' ';
    text += tokens[i];
  }
  return text;
}

int Pipeline::vocab_size() const { return parts_.model->vocab_size() + added_.beyond_model(); }

std::optional<int32_t> Pipeline::token_to_id(std::string_view token) const {
  const std::optional<int32_t> id = added_.id(token);
  return id ? id : parts_.model->token_to_id(token);
}

std::string_view Pipeline::id_to_token(int32_t id) const {
  const AddedToken* added = added_.find(id);
  return added != nullptr ? std::string_view(added->pattern) : parts_.model->id_to_token(id);
}

int Pipeline::special_tokens_added(bool pair) const {
  return count_special(parts_.post_processor->layout(pair));
}

Status Pipeline::check_id(int32_t id) const {
  if (!id_to_token(id).empty()) return {};
  return invalid_argument_error("token id {} is not in the vocabulary, whose largest is {}", id,
                                std::max(parts_.model->largest_id(), added_.largest_id()));
}

}  // namespace wde::tokenizer
