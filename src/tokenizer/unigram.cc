// The Unigram model (Kudo 2018, arXiv:1804.10959): of all ways to cut a word into tokens, the one
// whose scores add up to the most, found in one pass from the left (Viterbi) over the tokens that
// the vocabulary's trie finds at each code point. A code point that is no token itself may stand as
// an unknown one; what no token covers is joined to one unknown piece, which falls apart into bytes
// where the vocabulary has tokens for them. Ties and sums are the `tokenizers` package's.
#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "tokenizer/registry.h"
#include "tokenizer/vocabulary.h"
#include "tokenizer/word_cache.h"

namespace wde::tokenizer {
namespace {

// How much worse an unknown code point is than the worst token (sentencepiece, unigram_model.cc).
constexpr double kUnknownPenalty = 10;
// Longer words rarely come again.
constexpr size_t kMaxCachedBytes = 48;
// Words up to this need no memory but the stack's.
constexpr size_t kStackNodes = 512;

struct UnigramOptions {
  int32_t unknown_id = 0;
  bool byte_fallback = false;
};

class Unigram final : public Model {
 public:
  Unigram(Vocabulary vocabulary, std::vector<double> scores, const UnigramOptions& options)
      : vocabulary_(std::move(vocabulary)),
        scores_(std::move(scores)),
        unknown_score_(*std::min_element(scores_.begin(), scores_.end()) - kUnknownPenalty),
        options_(options) {
    for (size_t byte = 0; byte < byte_ids_.size(); ++byte)
      byte_ids_[byte] = vocabulary_.id(fmt::format("<0x{:02X}>", byte)).value_or(-1);
  }

  void tokenize(std::string_view text, Range word, std::vector<Token>& tokens) const override {
    const auto before = static_cast<ptrdiff_t>(tokens.size());
    cut(text.substr(word.begin, word.end - word.begin), [&](int32_t id, Range piece) {
      tokens.push_back({id, {word.begin + piece.begin, word.begin + piece.end}});
    });
    std::reverse(tokens.begin() + before, tokens.end());
  }

  void append_ids(std::string_view word, std::vector<int32_t>& ids) const override {
    const size_t before = ids.size();
    const bool cached = word.size() <= kMaxCachedBytes;
    const uint64_t hash = cached ? WordCache::hash_of(word, WordCache::Spelling::kText) : 0;
    if (cached && cache_.append(word, WordCache::Spelling::kText, hash, ids)) return;
    cut(word, [&](int32_t id, Range) { ids.push_back(id); });
    std::reverse(ids.begin() + static_cast<ptrdiff_t>(before), ids.end());
    if (cached)
      cache_.insert(word, WordCache::Spelling::kText, hash, std::span(ids).subspan(before));
  }

  std::optional<int32_t> token_to_id(std::string_view token) const override {
    return vocabulary_.id(token);
  }
  std::string_view id_to_token(int32_t id) const override { return vocabulary_.token(id); }
  int vocab_size() const override { return vocabulary_.size(); }
  int32_t largest_id() const override { return vocabulary_.largest_id(); }

 private:
  // The best way to a position of a word: the sum of its scores and its last token.
  struct Node {
    double score;
    uint32_t begin;
    int32_t id;
  };

  // Calls visit(id, range of the word) for the word's tokens, the last one first.
  template <class Visit>
  void cut(std::string_view word, const Visit& visit) const {
    if (word.size() < kStackNodes) {
      Node nodes[kStackNodes];
      find_best(word, nodes);
      visit_backwards(word, nodes, visit);
    } else {
      std::vector<Node> nodes(word.size() + 1);
      find_best(word, nodes.data());
      visit_backwards(word, nodes.data(), visit);
    }
  }

  // Fills nodes[p] for every position p at which a code point ends.
  void find_best(std::string_view word, Node* nodes) const {
    const ByteTrie& trie = vocabulary_.trie();
    nodes[0].score = 0;
    for (size_t i = 1; i <= word.size(); ++i)
      nodes[i].score = std::numeric_limits<double>::quiet_NaN();  // less than any
    for (uint32_t begin = 0; begin != word.size();) {
      const double score = nodes[begin].score;
      const char* behind = word.data() + begin;
      unicode::next(behind);
      const auto next = static_cast<uint32_t>(behind - word.data());
      bool single = false;  // this code point is a token
      uint32_t node = ByteTrie::kRoot;
      for (uint32_t end = begin; end != word.size();) {
        node = trie.step(node, static_cast<uint8_t>(word[end++]));
        if (node == ByteTrie::kNowhere) break;
        const int32_t id = trie.number(node);
        if (id < 0) continue;
        improve(nodes[end], {score + scores_[static_cast<size_t>(id)], begin, id});
        single |= end == next;
      }
      if (!single) improve(nodes[next], {score + unknown_score_, begin, options_.unknown_id});
      begin = next;
    }
  }

  // Of equal ways the first stays.
  static void improve(Node& node, const Node& candidate) {
    if (!(candidate.score <= node.score)) node = candidate;
  }

  template <class Visit>
  void visit_backwards(std::string_view word, const Node* nodes, const Visit& visit) const {
    const auto size = static_cast<uint32_t>(word.size());
    Range unknown = {size, size};  // what is known to be unknown, from the right
    for (uint32_t end = size; end != 0;) {
      const Node& node = nodes[end];
      if (node.id == options_.unknown_id) {
        unknown.begin = node.begin;
      } else {
        if (unknown.begin != unknown.end) visit_unknown(word, unknown, visit);
        visit(node.id, Range{node.begin, end});
        unknown = {node.begin, node.begin};
      }
      end = node.begin;
    }
    if (unknown.begin != unknown.end) visit_unknown(word, unknown, visit);
  }

  template <class Visit>
  void visit_unknown(std::string_view word, Range range, const Visit& visit) const {
    const std::string_view piece = word.substr(range.begin, range.end - range.begin);
    const auto byte_id = [this](char byte) { return byte_ids_[static_cast<uint8_t>(byte)]; };
    if (const std::optional<int32_t> id = vocabulary_.id(piece)) return visit(*id, range);
    const bool as_bytes =
        options_.byte_fallback &&
        std::all_of(piece.begin(), piece.end(), [&](char byte) { return byte_id(byte) >= 0; });
    if (!as_bytes) return visit(options_.unknown_id, range);
    for (size_t i = piece.size(); i-- != 0;) visit(byte_id(piece[i]), range);
  }

  Vocabulary vocabulary_;
  std::vector<double> scores_;  // by id
  double unknown_score_;
  UnigramOptions options_;
  mutable WordCache cache_;
  std::array<int32_t, 256> byte_ids_;  // of the tokens <0x00> … <0xFF>; -1 where there is none
};

// [token, score]
Result<double> read_entry(const json::value& from, int32_t id,
                          std::vector<Vocabulary::Entry>& entries) {
  const json::array* pair = from.if_array();
  const bool fine =
      pair != nullptr && pair->size() == 2 && (*pair)[0].is_string() && (*pair)[1].is_number();
  if (!fine) return data_loss_error("\"vocab\"[{}] must be [token, score]", id);
  const auto score = (*pair)[1].to_number<double>();
  if (!std::isfinite(score)) return data_loss_error("\"vocab\"[{}] has the score {}", id, score);
  entries.emplace_back((*pair)[0].get_string(), id);
  return score;
}

}  // namespace

Result<std::unique_ptr<Model>> make_unigram(const json::object& spec) {
  WDE_ASSIGN_OR_RETURN(const json::array* vocab, json::get_array(spec, "vocab"));
  if (vocab == nullptr) return data_loss_error("\"vocab\" is missing");
  if (vocab->size() > static_cast<size_t>(kMaxIds))
    return data_loss_error("{} tokens; at most {} are supported", vocab->size(), kMaxIds);
  // Without one the package fails as soon as a text holds an unknown code point.
  WDE_ASSIGN_OR_RETURN(const int64_t unknown_id, json::get_int(spec, "unk_id", -1));
  if (unknown_id < 0) return unsupported_error("a Unigram model without \"unk_id\"");
  if (unknown_id >= static_cast<int64_t>(vocab->size()))
    return data_loss_error("\"unk_id\" is {} in a vocabulary of {}", unknown_id, vocab->size());
  UnigramOptions options = {.unknown_id = static_cast<int32_t>(unknown_id)};
  WDE_ASSIGN_OR_RETURN(options.byte_fallback, json::get_bool(spec, "byte_fallback", false));
  std::vector<Vocabulary::Entry> entries;
  std::vector<double> scores;
  entries.reserve(vocab->size());
  scores.reserve(vocab->size());
  for (const json::value& entry : *vocab) {
    const auto id = static_cast<int32_t>(entries.size());
    WDE_ASSIGN_OR_RETURN(scores.emplace_back(), read_entry(entry, id, entries));
  }
  WDE_ASSIGN_OR_RETURN(Vocabulary vocabulary, Vocabulary::build(std::move(entries)));
  return Result<std::unique_ptr<Model>>(
      std::make_unique<Unigram>(std::move(vocabulary), std::move(scores), options));
}

}  // namespace wde::tokenizer
