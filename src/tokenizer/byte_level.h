// GPT-2's spelling of bytes as characters: printable ones of Latin-1 are themselves, the others
// follow from U+0100 on, so that any bytes read as valid UTF-8 without white space (openai/gpt-2,
// encoder.py). Immutable; any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace wde::tokenizer::byte_level {

// The character that stands for a byte.
char32_t char_of(uint8_t byte);
// The byte that a character stands for, if it does.
std::optional<uint8_t> byte_of(char32_t c);
// Any bytes, spelt.
std::string spell(std::string_view bytes);
// The pattern by which GPT-2 cuts a text into words.
inline constexpr std::string_view kWordPattern =
    R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";

}  // namespace wde::tokenizer::byte_level
