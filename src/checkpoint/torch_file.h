// Files that torch.save wrote: a state dict (a dict from names to tensors) as a zip archive, in
// which "NAME/data.pkl" says in Python's pickle format what there is and "NAME/data/N" holds the
// bytes of storage N, stored and aligned. The pickle is read as data (checkpoint/pickle.h): nothing
// in the file is ever executed, and a name that a state dict has no use for refuses the file. The
// content is hostile: every size, offset and stride is checked before a tensor can be asked for.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>

#include "base/status.h"
#include "checkpoint/weight_source.h"

namespace wde::checkpoint {

// Maps the file: a contiguous tensor's bytes are read when it is; one with other strides (a
// transposed view) is copied into order here. A value that is no tensor, or a tensor of a dtype or
// rank that wde::TensorView can't say, keeps its name, and only asking for it is an error
// (kUnsupported). Errors: kNotFound, kIoError, kDataLoss (broken or lying), kUnsupported (what no
// state dict needs, by name; the format of torch before 1.6, which is no zip archive; TorchScript;
// big-endian or compressed content); each names the path.
Result<std::shared_ptr<const WeightSource>> open_torch_file(const std::string& path);

// The same over bytes that the caller keeps alive and unchanged; `label` stands for the path in
// messages.
Result<std::shared_ptr<const WeightSource>> open_torch_bytes(std::span<const std::byte> bytes,
                                                             const std::string& label);

}  // namespace wde::checkpoint
