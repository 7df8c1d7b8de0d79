// Tokens as JSON lines. Pure functions.
#pragma once

#include <span>
#include <string>

#include "wde/engine.h"

namespace wde::cli {

// "[101,7592,102]\n".
std::string token_ids_line(std::span<const int32_t> ids);
// "[{"id":101,"text":"[CLS]","special":true,"start":null,"end":null},…]\n".
std::string token_details_line(std::span<const Token> tokens);

}  // namespace wde::cli
