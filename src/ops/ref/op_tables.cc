#include "ops/ref/op_tables.h"

#include "ops/host_launch.h"
#include "ops/ref/kernels.h"

namespace wde::ops::ref {

const OpTable& cpu_table() {
  static constexpr OpTable kTable = {
      .name = "reference",
      .device_kind = "cpu",
      .embedding_sum = [](OpContext&, const EmbeddingSumArgs& args) { embedding_sum(args); },
      .layer_norm = [](OpContext&, const LayerNormArgs& args) { layer_norm(args); },
      .rms_norm = [](OpContext&, const RmsNormArgs& args) { rms_norm(args); },
      .rope = [](OpContext&, const RopeArgs& args) { rope(args); },
      .gated_activation = [](OpContext&,
                             const GatedActivationArgs& args) { gated_activation(args); },
      .pooling = [](OpContext&, const PoolingArgs& args) { pooling(args); },
      .l2_normalize = [](OpContext&, const L2NormalizeArgs& args) { l2_normalize(args); },
      .convert = [](OpContext&, const ConvertArgs& args) { convert(args); },
  };
  return kTable;
}

const OpTable& emulated_table() {
  static constexpr OpTable kTable = {
      .name = "reference",
      .device_kind = "emulated",
      .embedding_sum =
          [](OpContext& context, const EmbeddingSumArgs& args) {
            launch_on_host(context.stream, "embedding_sum", args, embedding_sum);
          },
      .layer_norm =
          [](OpContext& context, const LayerNormArgs& args) {
            launch_on_host(context.stream, "layer_norm", args, layer_norm);
          },
      .rms_norm =
          [](OpContext& context, const RmsNormArgs& args) {
            launch_on_host(context.stream, "rms_norm", args, rms_norm);
          },
      .rope = [](OpContext& context,
                 const RopeArgs& args) { launch_on_host(context.stream, "rope", args, rope); },
      .gated_activation =
          [](OpContext& context, const GatedActivationArgs& args) {
            launch_on_host(context.stream, "gated_activation", args, gated_activation);
          },
      .pooling =
          [](OpContext& context, const PoolingArgs& args) {
            launch_on_host(context.stream, "pooling", args, pooling);
          },
      .l2_normalize =
          [](OpContext& context, const L2NormalizeArgs& args) {
            launch_on_host(context.stream, "l2_normalize", args, l2_normalize);
          },
      .convert =
          [](OpContext& context, const ConvertArgs& args) {
            launch_on_host(context.stream, "convert", args, convert);
          },
  };
  return kTable;
}

}  // namespace wde::ops::ref
