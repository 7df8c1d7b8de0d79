// GGUF files (github.com/ggml-org/ggml, docs/gguf.md), version 2 and 3: metadata, tensors by ggml's
// names. The content is hostile: every length, count, offset and shape is checked before anything
// is asked for, every tensor lies inside the file at the file's alignment, no name stands twice.
#pragma once

#include <cstddef>
#include <map>
#include <memory>
#include <span>
#include <string>

#include "base/json.h"
#include "base/status.h"
#include "checkpoint/weight_source.h"

namespace wde::checkpoint {

struct GgufFile {
  // By key; numbers, booleans, strings (any bytes) and arrays of these.
  json::object metadata;
  // As ggml calls the tensors, with the outermost dimension first. Of blocks of codes where the
  // type is read (checkpoint/ggml_blocks.h); a tensor of any other keeps its name, and asking for
  // it is an error (kUnsupported, with the type's name).
  std::shared_ptr<const WeightSource> tensors;
};

// Maps the file: a tensor's bytes are read when it is, and live as long as the source. Errors:
// kNotFound, kIoError, kDataLoss (broken or lying), kUnsupported (another version, big-endian, a
// file of several); each names the path.
Result<GgufFile> open_gguf(const std::string& path);

// The same over bytes that the caller keeps alive and unchanged; `label` stands for the path in
// messages.
Result<GgufFile> open_gguf_bytes(std::span<const std::byte> bytes, const std::string& label);

}  // namespace wde::checkpoint
