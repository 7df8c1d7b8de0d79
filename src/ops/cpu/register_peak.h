// The arithmetic peak of this CPU, measured: multiply-adds on registers alone.
#pragma once

#include "base/dtype.h"

namespace wde::ops {

// GFLOP/s of `threads` threads at once with the CPU's best instructions for products of this dtype,
// a multiply-add counting as two: f32; bf16 (f32's where there are no instructions for it, since it
// must be widened then); kI8 (s8 products summed in s32). 0 where no loop is known for this CPU.
// About 20 ms; the best of several attempts.
double register_peak_gflops(DType dtype, int threads);

}  // namespace wde::ops
