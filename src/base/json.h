// Reading JSON files whose content is hostile, with errors that say where; and writing the numbers
// that Boost.JSON does not write the way we answer them (shortest fp32). Thin: everything else is
// Boost.JSON itself.
#pragma once

#include <boost/json/fwd.hpp>
#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <span>
#include <string>
#include <string_view>

#include "base/status.h"

namespace wde::json {

using boost::json::array;
using boost::json::object;
using boost::json::value;

// Parses one JSON document. Errors: kDataLoss, with line and column of the first wrong byte.
// Nesting deeper than 64 and invalid UTF-8 are errors. A leading byte-order mark is skipped.
Result<value> parse(std::string_view text);

// Reads and parses a file of at most max_bytes. Errors: kNotFound, kIoError, kDataLoss; each names
// the path.
Result<value> parse_file(const std::string& path, size_t max_bytes = size_t{256} << 20);

// Typed look-ups in an object: a missing or null member gives `fallback`; a member of another type
// is an error (kDataLoss) that names the key, the expected and the found type.
Result<int64_t> get_int(const object& from, std::string_view key, int64_t fallback);
Result<double> get_double(const object& from, std::string_view key, double fallback);
Result<bool> get_bool(const object& from, std::string_view key, bool fallback);
Result<std::string> get_string(const object& from, std::string_view key, std::string_view fallback);
// Missing or null gives nullptr.
Result<const object*> get_object(const object& from, std::string_view key);
Result<const array*> get_array(const object& from, std::string_view key);

// Appends the shortest decimal that reads back as the same fp32 (std::to_chars); NaN and the
// infinities, which JSON can't carry, are written as null.
void append_number(std::string& out, float number);
// "[f, f, …]" as "[1.5,2]".
void append_array(std::string& out, std::span<const float> numbers);
// A JSON string with its quotes, escaped; `text` must be valid UTF-8 (base/utf8.h makes it so).
void append_string(std::string& out, std::string_view text);

}  // namespace wde::json
