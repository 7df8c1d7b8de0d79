// How to turn a pytorch_model.bin into what WDE reads.
#pragma once

#include <string>

namespace wde::checkpoint {

// A sentence with a Python one-liner (needs torch and safetensors) that writes
// `folder`/model.safetensors beside the folder's pytorch_model*.bin, with the same tensor names.
std::string conversion_hint(const std::string& folder);

}  // namespace wde::checkpoint
