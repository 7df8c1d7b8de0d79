// The op tables of the CPU kernels (op_kernels.cc), one per instruction set that it is compiled
// for.
#pragma once

#include "ops/ops.h"

namespace wde::ops {

// By the names of ops/registry.h; null where this build has none of that name. Calling into a table
// needs a CPU that can run it (the registry knows).
const OpTable* cpu_op_table(std::string_view isa);

}  // namespace wde::ops
