// A GGUF file told in the terms of a Hugging Face folder: its metadata as config.json, its tensors
// by transformers' names, in transformers' order. (Names and keys: llama.cpp,
// gguf-py/gguf/constants.py; what its convert_hf_to_gguf.py changes in the tensors is undone.)
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/status.h"
#include "checkpoint/gguf_file.h"
#include "checkpoint/weight_source.h"

namespace wde::checkpoint {

struct GgufModel {
  json::object config;  // config.json, with "architectures"
  std::shared_ptr<const WeightSource> weights;
  // "mean", "cls", "lasttoken", as sentence-transformers calls them; empty where the file names
  // none.
  std::string pooling;
  // "tokenizer.ggml.*" without that prefix: "model", "tokens", "scores", …
  json::object vocabulary;
  std::string chat_template;  // "tokenizer.chat_template"; empty where there is none
};

// Errors: kDataLoss (a key or tensor that is missing or makes no sense), kUnsupported (an
// architecture, a key's value or a tensor that has no place here, by its name).
Result<GgufModel> read_gguf_model(GgufFile file);

}  // namespace wde::checkpoint
