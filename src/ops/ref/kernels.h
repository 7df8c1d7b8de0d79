// The reference implementations: plain loops, fp64 sums, no intrinsics, no threads. Pointers in the
// arguments are ordinary memory. What every other implementation is tested against, and what the
// emulated device runs.
#pragma once

#include "ops/gemm.h"
#include "ops/host_launch.h"
#include "ops/ops.h"

namespace wde::ops::ref {

void embedding_sum(const EmbeddingSumArgs& args);
void layer_norm(const LayerNormArgs& args);
void rms_norm(const RmsNormArgs& args);
void rope(const RopeArgs& args);
void gated_activation(const GatedActivationArgs& args);
void pooling(const PoolingArgs& args);
void l2_normalize(const L2NormalizeArgs& args);
void convert(const ConvertArgs& args);

// A matrix product with the weights as a plain matrix.
struct ReferenceGemmArgs {
  GemmArgs io;
  TensorView weight;  // [N, K] of x's dtype
  TensorView bias;    // f32 [N]; data null for none
  Activation activation = Activation::kNone;
};
void gemm(const ReferenceGemmArgs& args);

template <class Visit>
void visit_views(ReferenceGemmArgs& args, const Visit& visit) {
  ops::visit_views(args.io, visit);
  visit(args.weight, Access::kRead);
  visit(args.bias, Access::kRead);
}

// activation(x) in fp64.
double activate(Activation activation, double x);

}  // namespace wde::ops::ref
