// The patterns of GPT-2, Llama 3 and Qwen2 by hand: what the regular expression finds, at the speed
// of a loop over the text. The expressions themselves are the control group in the tests.
// Immutable; any thread.
#pragma once

#include <string_view>

namespace wde::tokenizer {

// Where the word that begins at `at` ends; [at, end) is valid UTF-8 and not empty. Words follow
// each other without gaps, and none depends on what stands before it.
using WordEnd = const char* (*)(const char* at, const char* end);

// The scanner for a pattern as it stands in tokenizer.json; null for any other.
WordEnd known_word_pattern(std::string_view pattern);

inline constexpr std::string_view kLlama3WordPattern =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
inline constexpr std::string_view kQwen2WordPattern =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";

}  // namespace wde::tokenizer
