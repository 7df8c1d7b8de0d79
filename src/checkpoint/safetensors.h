// safetensors files (github.com/huggingface/safetensors): an 8-byte little-endian header length, a
// JSON header
// {"name": {"dtype", "shape", "data_offsets": [begin, end]}, …}, and the tensors' bytes. The
// content is hostile: every length, offset, dtype and shape is checked before a tensor can be asked
// for, by the reference implementation's rules (the tensors cover the data exactly: no hole, no
// overlap, nothing behind the last). Deliberately laxer in two points: a tensor of unknown dtype,
// or of a rank or dtype that wde::TensorView can't say, does not spoil the file; it keeps its name,
// and only asking for it is an error (kUnsupported).
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>

#include "base/status.h"
#include "checkpoint/weight_source.h"

namespace wde::checkpoint {

// Maps the file: its bytes are read when a tensor's are, and live as long as the source.
// Errors: kNotFound, kIoError, kDataLoss; each names the path.
Result<std::shared_ptr<const WeightSource>> open_safetensors(const std::string& path);

// The same over bytes that the caller keeps alive and unchanged; `label` stands for the path in
// messages.
Result<std::shared_ptr<const WeightSource>> open_safetensors_bytes(std::span<const std::byte> bytes,
                                                                   const std::string& label);

}  // namespace wde::checkpoint
