// The op tables made of the reference kernels.
#pragma once

#include "ops/ops.h"

namespace wde::ops::ref {

// Calls the kernels in place, on the calling thread.
const OpTable& cpu_table();
// Enqueues them on the context's stream.
const OpTable& emulated_table();

}  // namespace wde::ops::ref
