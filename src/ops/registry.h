// Every op table, best first: one visible, ordered list.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "ops/ops.h"

namespace wde::ops {

struct OpTableEntry {
  std::string_view name;
  std::string_view device_kind;
  // Empty when this machine can run it, else the reason why not ("the CPU lacks AVX-512
  // F/BW/DQ/VL").
  std::string (*refusal)();
  const OpTable& (*table)();
};
// cpu: avx512_bf16, avx512_vnni, avx512, avx2, neon_bf16, neon_dot, neon, portable, reference;
// emulated: reference.
std::span<const OpTableEntry> op_tables();

// The best table for a device kind on this machine, or the one named by `forced_isa` (may be
// empty). Errors: kInvalidArgument for an unknown name, kUnsupported with the reason.
Result<const OpTable*> choose_op_table(std::string_view device_kind,
                                       std::string_view forced_isa = {});

}  // namespace wde::ops
