// The tokens that a tokenizer's configuration names by what they are for.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "tokenizer/tokenizer.h"

namespace wde::workflow {

// The id of "unk_token", "cls_token", … as special_tokens_map.json or tokenizer_config.json of the
// folder name it; nothing where they don't, or the vocabulary does not have it.
std::optional<int32_t> special_token_id(const std::string& folder, std::string_view role,
                                        const tokenizer::Tokenizer& tokenizer);

}  // namespace wde::workflow
