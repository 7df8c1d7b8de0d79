#include "ops/ops.h"

#include <fmt/format.h>

#include "base/status.h"
#include "ops/gemm.h"
#include "ops/parallel.h"
#include "ops/profile.h"

namespace wde::ops {
namespace {

bool is_float(DType dtype) { return dtype == DType::kF32 || dtype == DType::kBF16; }

bool is_matrix(const TensorView& view, int64_t rows, int64_t columns) {
  return view.shape == Shape({rows, columns});
}

bool is_vector(const TensorView& view, DType dtype, int64_t elements) {
  return view.dtype == dtype && view.shape == Shape({elements});
}

// A parameter that may be absent.
bool is_vector_or_null(const TensorView& view, DType dtype, int64_t elements) {
  return view.data == nullptr || is_vector(view, dtype, elements);
}

void check_table(const TensorView& table, int64_t columns) {
  WDE_CHECK(is_float(table.dtype) && table.shape.rank() == 2 && table.shape[1] == columns);
}

double bytes_of(const TensorView& view) {
  return view.data == nullptr ? 0.0
                              : static_cast<double>(view.shape.elements()) *
                                    static_cast<double>(dtype_size_bytes(view.dtype));
}

// Ops whose arithmetic is nothing beside their memory traffic.
auto traffic(std::string_view op, double bytes) {
  return [op, bytes] { return std::pair(std::string(op), OpWork{.flops = 0, .bytes = bytes}); };
}

auto product(const Gemm& gemm, const GemmArgs& args) {
  return [&] {
    const GemmProblem& problem = gemm.problem();
    std::string op = fmt::format("linear {}x{}", problem.n, problem.k);
    if (problem.activation != Activation::kNone) {
      op += fmt::format(" {}", activation_name(problem.activation));
    }
    const double weights = static_cast<double>(problem.n * problem.k);
    const DType packed = problem.weights == WeightFormat::kInt8 ? DType::kI8 : problem.dtype;
    return std::pair(std::move(op),
                     OpWork{.flops = 2.0 * static_cast<double>(args.x.rows()) * weights,
                            .bytes = bytes_of(args.x) + bytes_of(args.y) + bytes_of(args.residual) +
                                     weights * static_cast<double>(dtype_size_bytes(packed))});
  };
}

}  // namespace

void embedding_sum(OpContext& context, const EmbeddingSumArgs& args) {
  WDE_CHECK(args.out.shape.rank() == 2 && is_float(args.out.dtype));
  const int64_t tokens = args.out.shape[0];
  const int64_t columns = args.out.shape[1];
  WDE_CHECK(is_vector(args.ids, DType::kI32, tokens));
  check_table(args.word_table, columns);
  if (args.position_table.data != nullptr) {
    WDE_CHECK(is_vector(args.positions, DType::kI32, tokens));
    check_table(args.position_table, columns);
  }
  WDE_CHECK((args.type_ids.data == nullptr) == (args.type_table.data == nullptr));
  if (args.type_table.data != nullptr) {
    WDE_CHECK(is_vector(args.type_ids, DType::kI32, tokens));
    check_table(args.type_table, columns);
  }
  if (context.measuring || tokens == 0) return;
  const ProfileScope scope(context, traffic("embedding_sum", 4 * bytes_of(args.out)));
  context.ops.embedding_sum(context, args);
}

void layer_norm(OpContext& context, const LayerNormArgs& args) {
  WDE_CHECK(args.x.shape.rank() == 2 && is_float(args.x.dtype));
  const int64_t columns = args.x.shape[1];
  WDE_CHECK(columns > 0);
  if (args.residual.data != nullptr) {
    WDE_CHECK(args.residual.shape == args.x.shape && args.residual.dtype == args.x.dtype);
  }
  WDE_CHECK(is_vector(args.weight, DType::kF32, columns));
  WDE_CHECK(is_vector_or_null(args.bias, DType::kF32, columns));
  WDE_CHECK(args.out.shape == args.x.shape && args.out.dtype == args.x.dtype);
  if (context.measuring || args.x.rows() == 0) return;
  const ProfileScope scope(
      context,
      traffic("layer_norm", bytes_of(args.x) + bytes_of(args.residual) + bytes_of(args.out)));
  context.ops.layer_norm(context, args);
}

void rms_norm(OpContext& context, const RmsNormArgs& args) {
  WDE_CHECK(args.x.shape.rank() == 2 && is_float(args.x.dtype));
  const int64_t columns = args.x.shape[1];
  WDE_CHECK(columns > 0);
  for (const TensorView* view : {&args.residual, &args.addend}) {
    if (view->data == nullptr) continue;
    WDE_CHECK(view->shape == args.x.shape && view->dtype == args.x.dtype);
  }
  WDE_CHECK(is_vector(args.weight, DType::kF32, args.weight.rows()));
  WDE_CHECK(args.weight.rows() > 0 && columns % args.weight.rows() == 0);
  WDE_CHECK(args.out.shape == args.x.shape && args.out.dtype == args.x.dtype);
  if (context.measuring || args.x.rows() == 0) return;
  const ProfileScope scope(context,
                           traffic("rms_norm", bytes_of(args.x) + bytes_of(args.residual) +
                                                   bytes_of(args.addend) + bytes_of(args.out)));
  context.ops.rms_norm(context, args);
}

void rope(OpContext& context, const RopeArgs& args) {
  WDE_CHECK(args.x.shape.rank() == 2 && is_float(args.x.dtype));
  WDE_CHECK(args.head_size > 0 && args.x.shape[1] % args.head_size == 0);
  WDE_CHECK(is_vector(args.positions, DType::kI32, args.x.rows()));
  WDE_CHECK(args.table.dtype == DType::kF32 && args.table.shape.rank() == 2);
  WDE_CHECK(args.table.shape[1] % 2 == 0 && args.table.shape[1] <= args.head_size);
  if (context.measuring || args.x.rows() == 0) return;
  const ProfileScope scope(context, traffic("rope", 2 * bytes_of(args.x)));
  context.ops.rope(context, args);
}

void gated_activation(OpContext& context, const GatedActivationArgs& args) {
  WDE_CHECK(args.out.shape.rank() == 2 && is_float(args.out.dtype));
  WDE_CHECK(is_matrix(args.x, args.out.rows(), 2 * args.out.shape[1]));
  WDE_CHECK(args.x.dtype == args.out.dtype);
  if (context.measuring || args.x.rows() == 0) return;
  const ProfileScope scope(context, [&] {
    return std::pair(fmt::format("gated_activation {}", activation_name(args.activation)),
                     OpWork{.flops = 0, .bytes = bytes_of(args.x) + bytes_of(args.out)});
  });
  context.ops.gated_activation(context, args);
}

void pooling(OpContext& context, const PoolingArgs& args) {
  WDE_CHECK(args.hidden.shape.rank() == 2 && is_float(args.hidden.dtype));
  WDE_CHECK(args.out.dtype == DType::kF32 && args.out.shape.rank() == 2);
  const int64_t sequences = args.out.shape[0];
  WDE_CHECK(args.out.shape[1] == args.hidden.shape[1]);
  WDE_CHECK(is_vector(args.cu_seqlens, DType::kI32, sequences + 1));
  WDE_CHECK(is_vector_or_null(args.skip, DType::kI32, sequences));
  if (args.pooling == Pooling::kMarked || args.pooling == Pooling::kLastUnmarked)
    WDE_CHECK(is_vector(args.ids, DType::kI32, args.hidden.rows()));
  if (context.measuring || sequences == 0) return;
  const ProfileScope scope(context, traffic("pooling", bytes_of(args.hidden) + bytes_of(args.out)));
  context.ops.pooling(context, args);
}

void l2_normalize(OpContext& context, const L2NormalizeArgs& args) {
  WDE_CHECK(args.x.shape.rank() == 2 && args.x.dtype == DType::kF32);
  WDE_CHECK(args.out.shape == args.x.shape && args.out.dtype == DType::kF32);
  if (context.measuring || args.x.rows() == 0) return;
  const ProfileScope scope(context, traffic("l2_normalize", bytes_of(args.x) + bytes_of(args.out)));
  context.ops.l2_normalize(context, args);
}

void convert(OpContext& context, const ConvertArgs& args) {
  WDE_CHECK(args.x.shape.rank() == 2 && args.out.shape == args.x.shape);
  for (const TensorView* view : {&args.x, &args.out}) {
    WDE_CHECK(is_float(view->dtype) || view->dtype == DType::kF16);
  }
  if (context.measuring || args.x.rows() == 0) return;
  const ProfileScope scope(context, traffic("convert", bytes_of(args.x) + bytes_of(args.out)));
  context.ops.convert(context, args);
}

void gemm(OpContext& context, const Gemm& gemm, const GemmArgs& args) {
  const GemmProblem& problem = gemm.problem();
  WDE_CHECK(args.x.shape.rank() == 2 && args.x.dtype == problem.dtype);
  const int64_t rows = args.x.shape[0];
  WDE_CHECK(args.x.shape[1] == problem.k);
  WDE_CHECK(is_matrix(args.y, rows, problem.n) && args.y.dtype == problem.output_dtype);
  if (args.residual.data != nullptr) {
    WDE_CHECK(is_matrix(args.residual, rows, problem.n));
    WDE_CHECK(args.residual.dtype == problem.output_dtype);
  }
  const Arena::Mark mark(context.arena);
  const size_t bytes = gemm.workspace_bytes(rows, thread_count(context.pool));
  const TensorView workspace =
      context.arena.allocate(DType::kU8, Shape({static_cast<int64_t>(bytes)}));
  if (context.measuring || rows == 0) return;
  const ProfileScope scope(context, product(gemm, args));
  gemm.run(context, args, workspace.data);
}

}  // namespace wde::ops
