// GEMM: GFLOP/s of every backend at the shapes of MiniLM, BERT-base, Qwen3-0.6B and Mistral-7B, and
// the share of the cores' peak in the same precision that is measured right before and after.
// Memory-bound ops: GB/s of what they read and write. "best" is the fastest round of a few
// milliseconds: the machine's other tenants slow the mean.
//   wde_ops --benchmark_filter='gemm/tiled/avx2/f32/none/threads:1'
#include <benchmark/benchmark.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <ctime>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "ops/cpu/register_peak.h"
#include "ops/gemm.h"
#include "ops/registry.h"
#include "tensor/device_registry.h"

namespace wde::ops {
namespace {

constexpr size_t kArenaBytes = size_t{256} << 20;

// Of one thread, its own time: other tenants of the core do not count.
double now_seconds(int threads) {
  if (threads == 1) {
    timespec now = {};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
  }
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

// A CPU device with one op table and tensors of normal random numbers.
class Bench {
 public:
  Bench(const OpTable& table, int threads)
      : device_(create_device("cpu").value()),
        stream_(device_->create_stream()),
        storage_(device_->allocate(kArenaBytes).value()),
        arena_(storage_.data(), kArenaBytes),
        pool_(threads > 1 ? std::make_unique<ThreadPool>(threads) : nullptr),
        context_{.stream = *stream_, .ops = table, .arena = arena_, .pool = pool_.get()} {}

  Device& device() { return *device_; }
  OpContext& context() { return context_; }

  TensorView random(DType dtype, const Shape& shape) {
    const TensorView view = arena_.allocate(dtype, shape);
    std::vector<float> values(static_cast<size_t>(shape.elements()));
    std::normal_distribution<float> normal(0.0f, 0.05f);
    for (float& value : values) value = normal(engine_);
    convert_elements(values.data(), DType::kF32, view.data, dtype, values.size());
    return view;
  }

  TensorView integers(const std::vector<int32_t>& values) {
    const TensorView view =
        arena_.allocate(DType::kI32, Shape({static_cast<int64_t>(values.size())}));
    std::memcpy(view.data, values.data(), values.size() * sizeof(int32_t));
    return view;
  }

 private:
  std::shared_ptr<Device> device_;
  std::unique_ptr<Stream> stream_;
  Storage storage_;
  Arena arena_;
  std::unique_ptr<ThreadPool> pool_;
  OpContext context_;
  std::mt19937 engine_{1};
};

// Seconds of the fastest of the state's rounds, of `repeats` calls each, per call.
template <class Call>
double fastest_seconds(benchmark::State& state, int threads, int64_t repeats, const Call& call) {
  double best = 1e30;
  call();
  for ([[maybe_unused]] auto _ : state) {
    const double begin = now_seconds(threads);
    for (int64_t i = 0; i < repeats; ++i) call();
    best = std::min(best, (now_seconds(threads) - begin) / static_cast<double>(repeats));
  }
  return best;
}

struct Precision {
  const char* name;
  DType dtype;
  WeightFormat weights;
  DType peak;
};
constexpr Precision kPrecisions[] = {
    {"f32", DType::kF32, WeightFormat::kDType, DType::kF32},
    {"bf16", DType::kBF16, WeightFormat::kDType, DType::kBF16},
    {"int8", DType::kBF16, WeightFormat::kInt8, DType::kI8},
};

struct GemmCase {
  std::string backend;
  std::string isa;
  Precision precision;
  Activation activation;
  int threads;
  int64_t m, n, k;

  std::string name() const {
    return "gemm/" + backend + "/" + isa + "/" + precision.name + "/" +
           std::string(activation_name(activation)) + "/threads:" + std::to_string(threads) + "/" +
           std::to_string(m) + "x" + std::to_string(n) + "x" + std::to_string(k);
  }
  GemmProblem problem() const {
    return {.dtype = precision.dtype,
            .output_dtype = precision.dtype,
            .n = n,
            .k = k,
            .weights = precision.weights,
            .bias = true,
            .activation = activation};
  }
};

void gemm_case(benchmark::State& state, const GemmCase& c) {
  const OpTable& table = *choose_op_table("cpu", c.isa).value();
  Bench bench(table, c.threads);
  const GemmProblem problem = c.problem();
  const GemmWeights weights{bench.random(DType::kF32, Shape({c.n, c.k})),
                            bench.random(DType::kF32, Shape({c.n}))};
  const auto backend = std::find_if(gemm_backends().begin(), gemm_backends().end(),
                                    [&](const GemmBackend& b) { return b.name == c.backend; });
  const auto product = backend->create(problem, weights, bench.device(), table).value();
  const GemmArgs args{.x = bench.random(problem.dtype, Shape({c.m, c.k})),
                      .residual = {},
                      .y = bench.random(problem.dtype, Shape({c.m, c.n}))};
  const double flops = 2.0 * static_cast<double>(c.m * c.n * c.k);
  const double before = register_peak_gflops(c.precision.peak, c.threads);
  const double seconds =
      fastest_seconds(state, c.threads, std::max<int64_t>(1, static_cast<int64_t>(2e8 / flops)),
                      [&] { gemm(bench.context(), *product, args); });
  const double peak = std::max(before, register_peak_gflops(c.precision.peak, c.threads));
  state.counters["best_GFLOP/s"] = flops / seconds * 1e-9;
  state.counters["peak_GFLOP/s"] = peak;
  state.counters["share"] = flops / seconds * 1e-9 / peak;
}

// Backends that refuse for their bits alone (oneDNN below AVX-512, in f32) are timed all the same:
// what the refusal costs should be seen.
bool can_time(const GemmBackend& backend, const GemmProblem& problem, const OpTable& table) {
  if (backend.name == "reference") return false;
  if (backend.name == "onednn" && table.name == "avx2") {
    return problem.dtype == DType::kF32 && problem.weights == WeightFormat::kDType;
  }
  return backend.refusal(problem, *create_device("cpu").value(), table).empty();
}

void register_gemm(const OpTable& table) {
  constexpr int64_t kShapes[][2] = {{384, 384},   {1152, 384},  {1536, 384},  {384, 1536},
                                    {768, 768},   {3072, 768},  {768, 3072},  {6144, 1024},
                                    {1024, 3072}, {4096, 4096}, {4096, 14336}};
  for (const Precision& precision : kPrecisions) {
    for (const Activation activation : {Activation::kNone, Activation::kGeluErf}) {
      for (const int threads : {1, 2}) {
        for (const auto& [n, k] : kShapes) {
          for (const int64_t m : {1, 12, 64, 128, 512, 3072}) {
            for (const GemmBackend& backend : gemm_backends()) {
              const GemmCase c{std::string(backend.name),
                               std::string(table.name),
                               precision,
                               activation,
                               threads,
                               m,
                               n,
                               k};
              if (!can_time(backend, c.problem(), table)) continue;
              benchmark::RegisterBenchmark(c.name().c_str(),
                                           [c](benchmark::State& state) { gemm_case(state, c); })
                  ->Iterations(30)
                  ->Unit(benchmark::kMillisecond);
            }
          }
        }
      }
    }
  }
}

// ------------------------------------------------------------------ memory-bound ops

constexpr int64_t kTokens = 512;
constexpr int64_t kHidden = 384;

template <class Args>
void memory_case(benchmark::State& state, Bench& bench, void (*op)(OpContext&, const Args&),
                 const Args& args, size_t bytes) {
  const double seconds = fastest_seconds(state, 1, 20, [&] { op(bench.context(), args); });
  state.counters["best_GB/s"] = static_cast<double>(bytes) / seconds * 1e-9;
}

void layer_norm_case(benchmark::State& state, const OpTable& table, DType dtype) {
  Bench bench(table, 1);
  const Shape shape({kTokens, kHidden});
  const LayerNormArgs args{.x = bench.random(dtype, shape),
                           .residual = bench.random(dtype, shape),
                           .weight = bench.random(DType::kF32, Shape({kHidden})),
                           .bias = bench.random(DType::kF32, Shape({kHidden})),
                           .out = bench.random(dtype, shape)};
  memory_case(state, bench, layer_norm, args, 3 * args.x.span_bytes());
}

void rms_norm_case(benchmark::State& state, const OpTable& table, DType dtype) {
  Bench bench(table, 1);
  const Shape shape({kTokens, kHidden});
  const RmsNormArgs args{.x = bench.random(dtype, shape),
                         .residual = {},
                         .weight = bench.random(DType::kF32, Shape({kHidden})),
                         .out = bench.random(dtype, shape)};
  memory_case(state, bench, rms_norm, args, 2 * args.x.span_bytes());
}

// q and k of 6 heads of 64 in packed rows.
void rope_case(benchmark::State& state, const OpTable& table, DType dtype, RopePairs pairs) {
  Bench bench(table, 1);
  std::vector<int32_t> positions(kTokens);
  for (size_t t = 0; t < positions.size(); ++t) positions[t] = static_cast<int32_t>(t % 128);
  const RopeArgs args{
      .x = bench.random(dtype, Shape({kTokens, 3 * kHidden})).slice_columns(0, 2 * kHidden),
      .positions = bench.integers(positions),
      .table = bench.random(DType::kF32, Shape({128, 64})),
      .head_size = 64,
      .pairs = pairs};
  const size_t element_bytes = dtype_size_bytes(dtype);
  memory_case(state, bench, rope, args, 2 * kTokens * 2 * kHidden * element_bytes);
}

void rope_halves_case(benchmark::State& state, const OpTable& table, DType dtype) {
  rope_case(state, table, dtype, RopePairs::kHalves);
}

void rope_interleaved_case(benchmark::State& state, const OpTable& table, DType dtype) {
  rope_case(state, table, dtype, RopePairs::kInterleaved);
}

void gated_activation_case(benchmark::State& state, const OpTable& table, DType dtype) {
  Bench bench(table, 1);
  const TensorView x = bench.random(dtype, Shape({kTokens, 4 * kHidden}));
  const GatedActivationArgs args{.x = x,
                                 .out = bench.random(dtype, Shape({kTokens, 2 * kHidden})),
                                 .activation = Activation::kGeluErf};
  memory_case(state, bench, gated_activation, args, x.span_bytes() + args.out.span_bytes());
}

void embedding_case(benchmark::State& state, const OpTable& table, DType dtype) {
  Bench bench(table, 1);
  std::vector<int32_t> ids(kTokens);
  std::vector<int32_t> positions(kTokens);
  for (size_t t = 0; t < ids.size(); ++t) {
    ids[t] = static_cast<int32_t>(t * 7919 % 30000);
    positions[t] = static_cast<int32_t>(t % 128);
  }
  const EmbeddingSumArgs args{.ids = bench.integers(ids),
                              .positions = bench.integers(positions),
                              .type_ids = bench.integers(std::vector<int32_t>(kTokens)),
                              .word_table = bench.random(dtype, Shape({30000, kHidden})),
                              .position_table = bench.random(dtype, Shape({512, kHidden})),
                              .type_table = bench.random(dtype, Shape({2, kHidden})),
                              .out = bench.random(dtype, Shape({kTokens, kHidden}))};
  memory_case(state, bench, embedding_sum, args, 4 * args.out.span_bytes());
}

void pooling_case(benchmark::State& state, const OpTable& table, DType dtype) {
  Bench bench(table, 1);
  const PoolingArgs args{.hidden = bench.random(dtype, Shape({kTokens, kHidden})),
                         .cu_seqlens = bench.integers({0, 12, 140, 300, 512}),
                         .skip = {},
                         .out = bench.random(DType::kF32, Shape({4, kHidden})),
                         .pooling = Pooling::kMean};
  memory_case(state, bench, pooling, args, args.hidden.span_bytes() + args.out.span_bytes());
}

void convert_case(benchmark::State& state, const OpTable& table, DType from) {
  Bench bench(table, 1);
  const DType to = from == DType::kF32 ? DType::kBF16 : DType::kF32;
  const ConvertArgs args{bench.random(from, Shape({kTokens, kHidden})),
                         bench.random(to, Shape({kTokens, kHidden}))};
  memory_case(state, bench, convert, args, args.x.span_bytes() + args.out.span_bytes());
}

void l2_normalize_case(benchmark::State& state, const OpTable& table, DType) {
  Bench bench(table, 1);
  const L2NormalizeArgs args{bench.random(DType::kF32, Shape({kTokens, kHidden})),
                             bench.random(DType::kF32, Shape({kTokens, kHidden}))};
  memory_case(state, bench, l2_normalize, args, 2 * args.x.span_bytes());
}

void register_memory_bound(const OpTable& table) {
  using Function = void (*)(benchmark::State&, const OpTable&, DType);
  constexpr std::pair<const char*, Function> kOps[] = {{"layer_norm", layer_norm_case},
                                                       {"rms_norm", rms_norm_case},
                                                       {"rope_halves", rope_halves_case},
                                                       {"rope_interleaved", rope_interleaved_case},
                                                       {"gated_gelu", gated_activation_case},
                                                       {"embedding_sum", embedding_case},
                                                       {"pooling", pooling_case},
                                                       {"convert", convert_case},
                                                       {"l2_normalize", l2_normalize_case}};
  for (const auto& [op, function] : kOps) {
    for (const DType dtype : {DType::kF32, DType::kBF16}) {
      const std::string name =
          std::string(op) + "/" + std::string(table.name) + "/" + std::string(dtype_name(dtype));
      benchmark::RegisterBenchmark(
          name.c_str(),
          [&table, dtype, run = function](benchmark::State& state) { run(state, table, dtype); })
          ->Iterations(30)
          ->Unit(benchmark::kMillisecond);
    }
  }
}

}  // namespace
}  // namespace wde::ops

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  for (const wde::ops::OpTableEntry& entry : wde::ops::op_tables()) {
    if (entry.device_kind != "cpu" || !entry.refusal().empty()) continue;
    wde::ops::register_memory_bound(entry.table());
    if (entry.name != "reference") wde::ops::register_gemm(entry.table());
  }
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
