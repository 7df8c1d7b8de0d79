// wde::TextTokenizer over a model's tokenizer.
#pragma once

#include <memory>

#include "checkpoint/model_folder.h"
#include "tokenizer/tokenizer.h"
#include "wde/engine.h"

namespace wde::workflow {

std::unique_ptr<TextTokenizer> make_text_tokenizer(
    std::shared_ptr<const tokenizer::Tokenizer> tokenizer);

// The tokenizer of a model that was read: from its files, or from its GGUF file's vocabulary.
// Errors: those of tokenizer::load_tokenizer.
Result<std::unique_ptr<tokenizer::Tokenizer>> load_tokenizer(const checkpoint::ModelFolder& model);

}  // namespace wde::workflow
