#include "attention/attention.h"

#include <algorithm>

#include "attention/backends.h"
#include "ops/profile.h"

namespace wde::attention {
namespace {

constexpr AttentionBackend kBackends[] = {
    {"flash", flash_refusal, create_flash},
    {"naive", naive_refusal, create_naive},
};

Status unknown_backend(std::string_view name) {
  std::string known;
  for (const AttentionBackend& backend : kBackends) {
    known += known.empty() ? "" : ", ";
    known += backend.name;
  }
  return invalid_argument_error("unknown attention backend \"{}\" (known: {})", name, known);
}

void check_shapes(const AttentionProblem& problem, const AttentionArgs& args) {
  const int64_t tokens = args.q.rows();
  const int64_t query_columns = int64_t{problem.heads} * problem.head_size;
  const int64_t key_columns = int64_t{problem.kv_heads} * problem.head_size;
  WDE_CHECK(args.q.shape == Shape({tokens, query_columns}));
  WDE_CHECK(args.k.shape == Shape({tokens, key_columns}));
  WDE_CHECK(args.v.shape == Shape({tokens, key_columns}));
  const int64_t queries = args.queries.size() == 0 ? tokens : args.queries.size();
  WDE_CHECK(args.out.shape == Shape({queries, query_columns}));
  for (const TensorView* view : {&args.q, &args.k, &args.v, &args.out}) {
    WDE_CHECK(view->dtype == problem.dtype);
  }
  WDE_CHECK(args.cu_seqlens.dtype == DType::kI32);
  WDE_CHECK(args.cu_seqlens.shape.rank() == 1 && args.cu_seqlens.rows() >= 1);
}

void check_key_counts(const AttentionArgs& args) {
  const std::span<const int32_t> counts = args.host_key_counts;
  if (counts.empty()) return;
  WDE_CHECK(args.key_counts.dtype == DType::kI32);
  WDE_CHECK(args.key_counts.shape == Shape({args.cu_seqlens.rows() - 1}));
  WDE_CHECK(static_cast<int64_t>(counts.size()) == args.key_counts.rows());
  for (size_t b = 0; b < counts.size(); ++b) {
    const int64_t length = int64_t{args.host_cu_seqlens[b + 1]} - args.host_cu_seqlens[b];
    WDE_CHECK(counts[b] <= length && (counts[b] >= 1 || length == 0));
  }
}

void check_continues(const AttentionProblem& problem, const AttentionArgs& args) {
  const std::span<const int32_t> continues = args.host_continues;
  if (continues.empty()) return;
  WDE_CHECK(problem.mask == MaskKind::kCausal && args.host_key_counts.empty());
  WDE_CHECK(args.continues.dtype == DType::kI32);
  WDE_CHECK(args.continues.shape == Shape({args.cu_seqlens.rows() - 1}));
  WDE_CHECK(static_cast<int64_t>(continues.size()) == args.continues.rows());
  for (size_t b = 0; b < continues.size(); ++b) {
    if (continues[b] < 0) continue;
    const auto before = static_cast<size_t>(continues[b]);
    WDE_CHECK(before < continues.size() && continues[before] < 0);
    WDE_CHECK(args.sequence(b).shared % kQueryBlock == 0);
  }
}

void check_queries(const AttentionArgs& args) {
  const TokenRange& queries = args.queries;
  if (queries.size() == 0) return;
  const int64_t tokens = args.q.rows();
  WDE_CHECK(args.cu_seqlens.rows() == 2);
  WDE_CHECK(0 <= queries.begin && queries.begin < queries.end && queries.end <= tokens);
  WDE_CHECK(queries.begin % kQueryBlock == 0);
  WDE_CHECK(queries.end % kQueryBlock == 0 || queries.end == tokens);
}

void check_sequences(const AttentionArgs& args) {
  const std::span<const int32_t> boundaries = args.host_cu_seqlens;
  WDE_CHECK(static_cast<int64_t>(boundaries.size()) == args.cu_seqlens.rows());
  WDE_CHECK(boundaries.front() == 0 && boundaries.back() == args.q.rows());
  for (size_t b = 1; b < boundaries.size(); ++b) {
    WDE_CHECK(boundaries[b] >= boundaries[b - 1]);
    WDE_CHECK(args.sequence(b - 1).tokens <= args.max_seqlen);
  }
}

// Two products of every query with every key that it sees.
ops::OpWork work(const AttentionProblem& problem, const AttentionArgs& args) {
  int64_t pairs = 0;
  for (size_t b = 0; b + 1 < args.host_cu_seqlens.size(); ++b) {
    const SequenceRows sequence = args.sequence(b);
    const TokenRange queries = args.queries_of(sequence);
    for (int64_t i = queries.begin; i < queries.end; ++i) {
      pairs += visible_keys(problem, i, sequence.tokens).size();
    }
  }
  const auto query_rows = static_cast<double>(args.out.rows());
  const auto key_rows = static_cast<double>(args.k.rows());
  return {.flops = 4.0 * static_cast<double>(pairs) * problem.heads * problem.head_size,
          .bytes = 2.0 * (query_rows * problem.heads + key_rows * problem.kv_heads) *
                   problem.head_size * static_cast<double>(dtype_size_bytes(problem.dtype))};
}

// Of a table by distance: 2R + 1 columns, contiguous in a row.
std::string table_refusal(std::string_view name, const TensorView& table, DType dtype,
                          const Shape& shape) {
  const int64_t columns = shape[shape.rank() - 1];
  if (table.dtype == dtype && table.shape == shape && columns % 2 == 1) return {};
  return fmt::format("{} {} {} (it takes {} {}, 2R + 1 distances)", name, dtype_name(table.dtype),
                     table.shape.to_string(), dtype_name(dtype), shape.to_string());
}

std::string distance_bias_refusal(const AttentionProblem& problem) {
  if (!problem.has_distance_bias()) return {};
  const TensorView& bias = problem.distance_bias;
  return table_refusal("distance bias", bias, DType::kF32, {problem.heads, bias.row_elements()});
}

std::string disentangled_refusal(const AttentionProblem& problem) {
  const Disentangled& terms = problem.disentangled;
  if (!terms) return {};
  const int64_t columns = int64_t{problem.heads} * problem.head_size;
  const int64_t rows = (terms.has_keys() ? terms.position_keys : terms.position_queries).rows();
  for (const TensorView* positions : {&terms.position_keys, &terms.position_queries}) {
    if (positions->shape.rank() == 0) continue;
    if (positions->dtype == problem.dtype && positions->shape == Shape({rows, columns})) continue;
    return fmt::format("position keys or queries {} {} (it takes {} [P, {}], the same P for both)",
                       dtype_name(positions->dtype), positions->shape.to_string(),
                       dtype_name(problem.dtype), columns);
  }
  return table_refusal("position rows", terms.position_rows, DType::kI32,
                       {terms.position_rows.rows()});
}

}  // namespace

TokenRange visible_keys(const AttentionProblem& problem, int64_t i, int64_t tokens) {
  const int64_t left = problem.window_left < 0 ? i : problem.window_left;
  int64_t right = problem.window_right < 0 ? tokens : problem.window_right;
  if (problem.mask == MaskKind::kCausal) right = 0;
  return {std::max<int64_t>(i - left, 0), std::min(i + right + 1, tokens)};
}

SequenceRows AttentionArgs::sequence(size_t b) const {
  SequenceRows rows;
  if (!host_continues.empty() && host_continues[b] >= 0) {
    const auto before = static_cast<size_t>(host_continues[b]);
    rows.shared_first = host_cu_seqlens[before];
    rows.shared = host_cu_seqlens[before + 1] - rows.shared_first;
  }
  rows.first = host_cu_seqlens[b];
  rows.tokens = rows.shared + host_cu_seqlens[b + 1] - rows.first;
  rows.keys = host_key_counts.empty() ? rows.tokens : host_key_counts[b];
  return rows;
}

TokenRange AttentionArgs::queries_of(const SequenceRows& sequence) const {
  return queries.size() == 0 ? TokenRange{sequence.shared, sequence.tokens} : queries;
}

std::string problem_refusal(const AttentionProblem& problem) {
  if (problem.dtype != DType::kF32 && problem.dtype != DType::kBF16) {
    return fmt::format("dtype {} (it computes f32 and bf16)", dtype_name(problem.dtype));
  }
  if (problem.heads < 1 || problem.kv_heads < 1 || problem.heads % problem.kv_heads != 0) {
    return fmt::format("{} heads over {} key/value heads (the latter must divide the former)",
                       problem.heads, problem.kv_heads);
  }
  if (problem.head_size < 1) return fmt::format("head size {}", problem.head_size);
  if (!(problem.scale > 0)) return fmt::format("scale {} (it must be positive)", problem.scale);
  if (!(problem.softcap >= 0)) {
    return fmt::format("softcap {} (it must be positive, or 0 for none)", problem.softcap);
  }
  if (problem.window_left < -1 || problem.window_right < -1) {
    return fmt::format("a window of {} to the left and {} to the right (-1 for no limit)",
                       problem.window_left, problem.window_right);
  }
  const std::string refusal = distance_bias_refusal(problem);
  return refusal.empty() ? disentangled_refusal(problem) : refusal;
}

std::span<const AttentionBackend> attention_backends() { return kBackends; }

Result<std::unique_ptr<Attention>> create_attention(const AttentionProblem& problem,
                                                    const Device& device, const ops::OpTable& ops,
                                                    std::string_view forced) {
  std::string refusals;
  bool known = false;
  for (const AttentionBackend& backend : kBackends) {
    if (!forced.empty() && backend.name != forced) continue;
    known = true;
    const std::string refusal = backend.refusal(problem, device, ops);
    if (refusal.empty()) return backend.create(problem, ops);
    refusals += fmt::format("{}{}: {}", refusals.empty() ? "" : "; ", backend.name, refusal);
  }
  if (!known) return unknown_backend(forced);
  return unsupported_error("no attention backend can do it: {}", refusals);
}

void attend(ops::OpContext& context, const Attention& attention, const AttentionArgs& args) {
  check_shapes(attention.problem(), args);
  const int64_t tokens = args.q.rows();
  const int64_t sequences = args.cu_seqlens.rows() - 1;
  const int threads = context.pool == nullptr ? 1 : context.pool->threads();
  const size_t bytes = attention.workspace_bytes(tokens, sequences, args.max_seqlen, threads);
  const Arena::Mark mark(context.arena);
  const TensorView workspace =
      context.arena.allocate(DType::kU8, Shape({static_cast<int64_t>(bytes)}));
  if (context.measuring) return;
  check_continues(attention.problem(), args);
  check_sequences(args);
  check_queries(args);
  check_key_counts(args);
  if (tokens == 0) return;
  const ops::ProfileScope scope(context, [&] {
    return std::pair(std::string("attention"), work(attention.problem(), args));
  });
  attention.run(context, args, workspace.data);
}

}  // namespace wde::attention
