#include "entrypoints/cli/bench_texts.h"

#include <cstdint>
#include <iterator>

namespace wde::cli {
namespace {

constexpr const char* kWords[] = {
    "the",     "of",      "a",        "to",       "and",      "in",      "for",     "with",
    "on",      "is",      "was",      "water",    "city",     "history", "people",  "model",
    "search",  "river",   "language", "system",   "early",    "century", "large",   "small",
    "because", "between", "energy",   "research", "measure",  "found",   "later",   "world",
    "music",   "science", "number",   "example",  "train",    "paper",   "results", "question",
    "answer",  "market",  "garden",   "winter",   "mountain", "library", "machine", "learned",
    "doctor",  "patient", "climate",  "surface",  "signal",   "protein", "village", "economy",
    "coffee",  "bridge",  "student",  "theory",   "memory",   "weather", "island",
};

// Words in a text: 16 lengths with a median of 24 and a long tail, each used four times.
constexpr int kLengths[] = {3, 5, 7, 9, 12, 15, 18, 22, 26, 31, 38, 48, 62, 85, 130, 240};
constexpr int kRepeats = 4;

}  // namespace

std::vector<std::string> bench_texts() {
  std::vector<std::string> texts;
  uint64_t state = 1;  // a linear congruential generator (Knuth's MMIX constants)
  const auto draw = [&state](size_t count) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    return static_cast<size_t>(state >> 33) % count;
  };
  for (int i = 0; i < kRepeats * static_cast<int>(std::size(kLengths)); ++i) {
    // 5 and 16 share no factor: neighbours differ in length and every length comes equally often.
    const int length = kLengths[static_cast<size_t>(i) * 5 % std::size(kLengths)];
    std::string text;
    for (int word = 0; word < length; ++word) {
      if (word > 0) text += ' ';
      text += kWords[draw(std::size(kWords))];
    }
    texts.push_back(text + ".");
  }
  return texts;
}

}  // namespace wde::cli
