// Flash attention (Dao et al. 2022) over a ragged batch on a CPU: cuts the batch into work items
// and hands them to the kernel of the op table's instruction set.
#include <algorithm>
#include <cstdint>

#include "attention/backends.h"
#include "attention/cpu/flash_kernel.h"

namespace wde::attention {
namespace {

// Tokens times heads that a thread should take at once, so that fetching work costs little.
constexpr int64_t kItemTokens = 256;

const FlashKernel* find_kernel(std::string_view instruction_set) {
  for (const FlashKernel& kernel : flash_kernels()) {
    if (kernel.instruction_set == instruction_set) return &kernel;
  }
  return nullptr;
}

template <class Element>
FlashDistanceTable<Element> distance_table(const TensorView& table, int64_t columns) {
  return {table.as<const Element>(), table.row_stride, columns / 2};
}

FlashPositions flash_positions(const Disentangled& terms) {
  FlashPositions positions;
  if (!terms) return positions;
  positions.has_keys = terms.has_keys();
  positions.has_queries = terms.has_queries();
  positions.count = (positions.has_keys ? terms.position_keys : terms.position_queries).rows();
  positions.keys = {terms.position_keys.data, terms.position_keys.row_stride};
  positions.queries = {terms.position_queries.data, terms.position_queries.row_stride};
  positions.rows = distance_table<int32_t>(terms.position_rows, terms.position_rows.rows());
  return positions;
}

// All but the operands.
FlashBatch flash_batch(const AttentionProblem& problem) {
  const auto limit = [](int64_t window) { return window < 0 ? INT32_MAX : window; };
  FlashBatch batch;
  batch.dtype = problem.dtype;
  batch.kv_heads = problem.kv_heads;
  batch.group = problem.heads / problem.kv_heads;
  batch.head_size = problem.head_size;
  batch.window_left = limit(problem.window_left);
  batch.window_right = problem.mask == MaskKind::kCausal ? 0 : limit(problem.window_right);
  batch.scale = problem.scale;
  batch.softcap = problem.softcap;
  if (problem.has_distance_bias()) {
    batch.distance_bias =
        distance_table<float>(problem.distance_bias, problem.distance_bias.row_elements());
  }
  batch.positions = flash_positions(problem.disentangled);
  return batch;
}

class FlashAttention final : public Attention {
 public:
  FlashAttention(const AttentionProblem& problem, const FlashKernel& kernel)
      : problem_(problem), shared_(flash_batch(problem)), kernel_(kernel) {}

  const AttentionProblem& problem() const override { return problem_; }
  std::string_view name() const override { return "flash"; }
  size_t workspace_bytes(int64_t tokens, int64_t sequences, int64_t max_seqlen,
                         int threads) const override;
  void run(ops::OpContext& context, const AttentionArgs& args, void* workspace) const override;

 private:
  FlashBatch batch(const AttentionArgs& args) const;

  AttentionProblem problem_;
  FlashBatch shared_;  // what problem_ says
  const FlashKernel& kernel_;
};

size_t FlashAttention::workspace_bytes(int64_t, int64_t, int64_t max_seqlen, int threads) const {
  return static_cast<size_t>(threads) * kernel_.workspace_bytes(shared_, max_seqlen);
}

FlashBatch FlashAttention::batch(const AttentionArgs& args) const {
  FlashBatch batch = shared_;
  batch.q = {args.q.data, args.q.row_stride};
  batch.k = {args.k.data, args.k.row_stride};
  batch.v = {args.v.data, args.v.row_stride};
  batch.out = {args.out.data, args.out.row_stride};
  batch.first_out_row = args.queries.begin;
  return batch;
}

// How a batch's work is cut: sequence outermost, then chunks of its queries, then groups of heads.
// Chunks that a shorter sequence lacks are empty items.
struct Cut {
  int64_t sequences, chunks, head_groups;
  int heads_per_group;

  size_t items() const { return static_cast<size_t>(sequences * chunks * head_groups); }
};

Cut cut_batch(const AttentionArgs& args, int kv_heads) {
  const int64_t length = std::max<int64_t>(args.max_seqlen, 1);
  const int64_t queries = args.queries.size() == 0 ? length : args.queries.size();
  Cut cut;
  cut.sequences = static_cast<int64_t>(args.host_cu_seqlens.size()) - 1;
  cut.chunks = (queries + kFlashChunkQueries - 1) / kFlashChunkQueries;
  cut.heads_per_group = static_cast<int>(std::clamp<int64_t>(kItemTokens / length, 1, kv_heads));
  cut.head_groups = (kv_heads + cut.heads_per_group - 1) / cut.heads_per_group;
  return cut;
}

void FlashAttention::run(ops::OpContext& context, const AttentionArgs& args,
                         void* workspace) const {
  const FlashBatch shared = batch(args);
  const Cut cut = cut_batch(args, problem_.kv_heads);
  const size_t thread_bytes = kernel_.workspace_bytes(shared, args.max_seqlen);
  const auto work = [&](size_t index, int thread) {
    const auto i = static_cast<int64_t>(index);
    const auto b = static_cast<size_t>(i / (cut.chunks * cut.head_groups));
    FlashItem item;
    item.sequence = args.sequence(b);
    const TokenRange queries = args.queries_of(item.sequence);
    item.query_begin = queries.begin + i / cut.head_groups % cut.chunks * kFlashChunkQueries;
    item.query_end = std::min(item.query_begin + kFlashChunkQueries, queries.end);
    if (item.query_begin >= item.query_end) return;
    const int first_head = static_cast<int>(i % cut.head_groups) * cut.heads_per_group;
    const int end_head = std::min(first_head + cut.heads_per_group, problem_.kv_heads);
    std::byte* scratch =
        static_cast<std::byte*>(workspace) + thread_bytes * static_cast<size_t>(thread);
    for (item.kv_head = first_head; item.kv_head < end_head; ++item.kv_head) {
      kernel_.run(shared, item, scratch);
    }
  };
  if (context.pool != nullptr) {
    context.pool->parallel_for(cut.items(), work);
  } else {
    for (size_t index = 0; index < cut.items(); ++index) work(index, 0);
  }
}

}  // namespace

std::string flash_refusal(const AttentionProblem& problem, const Device& device,
                          const ops::OpTable& ops) {
  if (device.kind() != "cpu")
    return fmt::format("device kind \"{}\" (it runs on cpu)", device.kind());
  if (find_kernel(ops.name) == nullptr) {
    return fmt::format("no kernel for the op table \"{}\"", ops.name);
  }
  if (problem.head_size > kMaxFlashHeadSize) {
    return fmt::format("head size {} (it takes up to {})", problem.head_size, kMaxFlashHeadSize);
  }
  return problem_refusal(problem);
}

std::unique_ptr<Attention> create_flash(const AttentionProblem& problem, const ops::OpTable& ops) {
  const FlashKernel* kernel = find_kernel(ops.name);
  WDE_CHECK(kernel != nullptr);
  return std::make_unique<FlashAttention>(problem, *kernel);
}

}  // namespace wde::attention
