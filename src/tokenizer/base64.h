// Base64 with padding (RFC 4648, section 4). Any thread.
#pragma once

#include <string>
#include <string_view>

#include "base/status.h"

namespace wde::tokenizer {

std::string encode_base64(std::string_view bytes);
// Errors: kDataLoss.
Result<std::string> decode_base64(std::string_view text);

}  // namespace wde::tokenizer
