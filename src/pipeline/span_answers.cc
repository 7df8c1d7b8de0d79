#include "pipeline/span_answers.h"

#include "pipeline/code_points.h"

#include <algorithm>
#include <numeric>
#include <string_view>

#include "base/utf8.h"
#include "pipeline/limits.h"
#include "pipeline/score_answers.h"

namespace wde::pipeline {
namespace {

// A token, or the tokens of one word, with the scores of every label.
struct Scored {
  int begin = 0;
  int end = 0;
  std::vector<float> scores;

  size_t best() const {
    return static_cast<size_t>(std::max_element(scores.begin(), scores.end()) - scores.begin());
  }
  float best_score() const { return scores[best()]; }
};

// A piece of text with its label.
struct Piece {
  int begin = 0;
  int end = 0;
  std::string_view label;
  float score = 0;
};

struct Tag {
  bool begins = false;
  std::string_view name;
};

// "B-PER" begins a PER, "I-PER" and "PER" are inside of one.
Tag tag_of(std::string_view label) {
  if (label.starts_with("B-")) return {true, label.substr(2)};
  if (label.starts_with("I-")) return {false, label.substr(2)};
  return {false, label};
}

// The label of a group: what follows the first "-" of its first piece's.
std::string_view group_label(std::string_view label) {
  const size_t dash = label.find('-');
  return dash == std::string_view::npos ? label : label.substr(dash + 1);
}

Scored join_word(std::span<const Scored> tokens, Aggregation aggregation) {
  Scored word{.begin = tokens.front().begin, .end = tokens.back().end};
  if (aggregation == Aggregation::kFirst) {
    word.scores = tokens.front().scores;
  } else if (aggregation == Aggregation::kMax) {
    word.scores =
        std::max_element(tokens.begin(), tokens.end(), [](const Scored& a, const Scored& b) {
          return a.best_score() < b.best_score();
        })->scores;
  } else {
    word.scores.resize(tokens.front().scores.size());
    for (size_t label = 0; label < word.scores.size(); ++label) {
      double sum = 0;
      for (const Scored& token : tokens) sum += token.scores[label];
      word.scores[label] = static_cast<float>(sum / static_cast<double>(tokens.size()));
    }
  }
  return word;
}

// The tokens that text stands behind; for kFirst, kAverage and kMax its words.
std::vector<Scored> scored_pieces(const schema::SchedulableRequest& request,
                                  const RequestRows& logits) {
  const Aggregation aggregation = request.output.aggregation;
  const bool words = aggregation != Aggregation::kNone && aggregation != Aggregation::kSimple;
  std::vector<Scored> pieces, word;
  const auto end_word = [&] {
    if (!word.empty()) pieces.push_back(join_word(word, aggregation));
    word.clear();
  };
  for (size_t i = 0; i < request.text_tokens.size(); ++i) {
    const schema::TextToken& token = request.text_tokens[i];
    if (token.special) continue;
    Scored scored{.begin = token.begin,
                  .end = token.end,
                  .scores = scores(logits.row(static_cast<int64_t>(i)), ScoreFunction::kSoftmax)};
    if (!words) {
      pieces.push_back(std::move(scored));
      continue;
    }
    if (!token.continues_word) end_word();
    word.push_back(std::move(scored));
  }
  end_word();
  return pieces;
}

// Neighbours of one label, joined.
std::vector<Piece> group(std::span<const Piece> pieces) {
  std::vector<Piece> groups;
  for (size_t begin = 0, end = 0; begin < pieces.size(); begin = end) {
    double sum = pieces[begin].score;
    for (end = begin + 1; end < pieces.size(); ++end) {
      const Tag tag = tag_of(pieces[end].label);
      if (tag.begins || tag.name != tag_of(pieces[end - 1].label).name) break;
      sum += pieces[end].score;
    }
    groups.push_back({.begin = pieces[begin].begin,
                      .end = pieces[end - 1].end,
                      .label = group_label(pieces[begin].label),
                      .score = static_cast<float>(sum / static_cast<double>(end - begin))});
  }
  return groups;
}

}  // namespace

void SpanAnswers::make(const schema::SchedulableRequest& request,
                       std::span<const RequestRows> parts, Response* response) const {
  std::vector<Piece> pieces;
  for (const Scored& scored : scored_pieces(request, parts.front())) {
    pieces.push_back({.begin = scored.begin,
                      .end = scored.end,
                      .label = labels_[scored.best()],
                      .score = scored.best_score()});
  }
  if (request.output.aggregation != Aggregation::kNone) pieces = group(pieces);
  const std::vector<size_t> bytes = code_point_bytes(request.text);
  for (const Piece& piece : pieces) {
    if (piece.label == "O") continue;
    const size_t begin = bytes[static_cast<size_t>(piece.begin)];
    const size_t end = bytes[static_cast<size_t>(piece.end)];
    response->spans.push_back({.begin = piece.begin,
                               .end = piece.end,
                               .label = std::string(piece.label),
                               .score = piece.score,
                               .text = request.text.substr(begin, end - begin)});
  }
}

}  // namespace wde::pipeline
