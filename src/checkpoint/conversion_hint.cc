#include "checkpoint/conversion_hint.h"

#include <fmt/core.h>

namespace wde::checkpoint {
namespace {

// Quoted for a POSIX shell.
std::string shell_quoted(const std::string& text) {
  std::string quoted = "'";
  for (const char byte : text) {
    if (byte == '\'')
      quoted += "'\\''";
    else
      quoted += byte;
  }
  return quoted + "'";
}

// clone() parts tensors that share memory (tied weights), which safetensors refuses to write.
constexpr const char* kProgram =
    "import sys, glob, torch, safetensors.torch as s; d = sys.argv[1]; "
    "s.save_file({k: v.clone().contiguous() for f in sorted(glob.glob(glob.escape(d) + "
    "\"/pytorch_model*.bin\")) "
    "for k, v in torch.load(f, map_location=\"cpu\", weights_only=True).items()}, "
    "d + \"/model.safetensors\", metadata={\"format\": \"pt\"})";

}  // namespace

std::string conversion_hint(const std::string& folder) {
  return fmt::format("Convert them once (pip install torch safetensors): python3 -c '{}' {}",
                     kProgram, shell_quoted(folder));
}

}  // namespace wde::checkpoint
