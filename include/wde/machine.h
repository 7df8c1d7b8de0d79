// What this machine's cores can do at best, measured: the yardstick of every figure.
#pragma once

#include <string_view>

namespace wde {

// GFLOP/s (Gop/s for "int8"; a multiply-add is two) of a loop that multiplies and adds in registers
// alone, with the best instructions for the dtype ("f32", "bf16", "int8") that the CPU has, on
// `threads` threads at once; bf16 without instructions of its own is f32. 0 where no loop is known
// for this CPU, for other dtypes and without a thread. Takes about 20 ms. Thread-safe.
double peak_gflops(std::string_view dtype, int threads);

}  // namespace wde
