// wde::TextTokenizer over a model's tokenizer.
#pragma once

#include <memory>

#include "tokenizer/tokenizer.h"
#include "wde/engine.h"

namespace wde::workflow {

std::unique_ptr<TextTokenizer> make_text_tokenizer(
    std::shared_ptr<const tokenizer::Tokenizer> tokenizer);

}  // namespace wde::workflow
