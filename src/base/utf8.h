// UTF-8 that comes from outside.
#pragma once

#include <string>
#include <string_view>

namespace wde {

bool is_valid_utf8(std::string_view text);

// Every maximal ill-formed subpart becomes one U+FFFD (Unicode 15, section 3.9, "U+FFFD
// Substitution of Maximal Subparts"): what Python's bytes.decode("utf-8", errors="replace") does.
// Valid text comes back as it is. `*replaced` (may be null) says whether anything was.
std::string replace_invalid_utf8(std::string_view text, bool* replaced = nullptr);

// Number of code points; `text` must be valid.
size_t count_code_points(std::string_view text);

}  // namespace wde
