// What becomes of the delimiters at which a pre-tokenizer cuts (tokenizer.json's "behavior").
// Stateless; any thread.
#pragma once

#include <span>
#include <vector>

#include "base/json.h"
#include "base/status.h"
#include "tokenizer/parts.h"

namespace wde::tokenizer {

enum class Delimiter { kRemoved, kIsolated, kMergedWithPrevious, kMergedWithNext, kContiguous };

// spec["behavior"]; `fallback` where there is none. Errors: kUnsupported.
Result<Delimiter> read_delimiter(const json::object& spec, std::string_view fallback);

// Appends the words of a stretch in which `delimiters` were found: in order, within it, and not
// overlapping; they may be empty, the words are not. With `inverted` what stands between delimiters
// is taken for them, and they for what stands between.
enum class Matches { kAreDelimiters, kAreBetween };
void append_split(Range stretch, std::span<const Range> delimiters, Matches matches,
                  Delimiter behavior, std::vector<Range>& words);

}  // namespace wde::tokenizer
