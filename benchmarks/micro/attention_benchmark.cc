// Attention alone: GFLOP/s of 4 D per head and pair of tokens that see each other (terms of a score
// beside q·k do not count), and the share of this core's peak in the same precision, which is
// measured right before and after each case, because other tenants of the machine come and go. One
// thread; 12 heads in a packed [T, 3 C] buffer, as the layers lay it out.
//   wde_attention_benchmark --benchmark_filter='flash/.*f32/D64/S512'
#include <benchmark/benchmark.h>
#include <time.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <deque>
#include <random>
#include <string>
#include <vector>

#include "attention/attention.h"
#include "ops/cpu/register_peak.h"
#include "ops/registry.h"
#include "tensor/device_registry.h"

namespace wde::attention {
namespace {

constexpr int kHeads = 12;
constexpr int64_t kBatchTokens = 512;

// CPU time: what other processes take from this core does not count.
double thread_seconds() {
  timespec now;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

enum class Kind { kPlain, kCausal, kWindow, kBias, kSoftcap, kDisentangled };

constexpr const char* kKindNames[] = {"plain", "causal",  "window",
                                      "bias",  "softcap", "disentangled"};

struct Case {
  std::string backend;
  std::string isa;
  DType dtype;
  int64_t length;
  int head_size;
  Kind kind = Kind::kPlain;
};

// DeBERTa-v2's buckets of 256 for up to 512 positions, by distance.
std::vector<int32_t> log_buckets() {
  constexpr int kLinear = 128, kRadius = 511;
  std::vector<int32_t> rows;
  for (int d = -kRadius; d <= kRadius; ++d) {
    const double size = std::abs(d);
    const double further = std::log(size / kLinear) / std::log(511.0 / kLinear) * (kLinear - 1);
    const double bucket = size <= kLinear ? size : kLinear + std::ceil(further);
    rows.push_back(static_cast<int32_t>(2 * kLinear + (d < 0 ? -bucket : bucket)));
  }
  return rows;
}

// A batch of equal sequences on the CPU with an attention that runs on it.
class Bench {
 public:
  explicit Bench(const Case& c) : case_(c) {
    device_ = create_device("cpu").value();
    stream_ = device_->create_stream();
    ops_ = ops::choose_op_table("cpu", c.isa).value();
    attention_ = create_attention(problem(), *device_, *ops_, c.backend).value();
    fill();
  }

  void run() {
    Arena arena(workspace_.data(), workspace_.size_bytes());
    ops::OpContext context{.stream = *stream_, .ops = *ops_, .arena = arena};
    attend(context, *attention_, args_);
  }

  double flops() const {
    double pairs = 0;
    for (int64_t i = 0; i < case_.length; ++i) {
      const TokenRange keys = visible_keys(attention_->problem(), i, case_.length);
      pairs += static_cast<double>(keys.end - keys.begin);
    }
    const auto sequences = static_cast<double>(cu_seqlens_.size() - 1);
    return 4.0 * sequences * kHeads * pairs * case_.head_size;
  }

 private:
  TensorView parameter(DType dtype, int64_t rows, int64_t columns) {
    std::vector<float> values(static_cast<size_t>(rows * columns));
    for (float& value : values) value = normal_(random_);
    Storage& storage = parameters_.emplace_back(
        device_->allocate(values.size() * dtype_size_bytes(dtype)).value());
    convert_elements(values.data(), DType::kF32, storage.data(), dtype, values.size());
    return TensorView::contiguous(storage.data(), dtype, {rows, columns});
  }

  AttentionProblem problem() {
    AttentionProblem problem{.dtype = case_.dtype,
                             .heads = kHeads,
                             .kv_heads = kHeads,
                             .head_size = case_.head_size,
                             .scale = 1.0f / std::sqrt(static_cast<float>(case_.head_size))};
    if (case_.kind == Kind::kCausal) problem.mask = MaskKind::kCausal;
    if (case_.kind == Kind::kWindow) problem.window_left = problem.window_right = 64;
    if (case_.kind == Kind::kBias) {
      problem.distance_bias = parameter(DType::kF32, kHeads, 2 * 511 + 1);
    }
    if (case_.kind == Kind::kSoftcap) problem.softcap = 50;
    if (case_.kind == Kind::kDisentangled) {
      const int64_t columns = int64_t{kHeads} * case_.head_size;
      position_rows_ = log_buckets();
      problem.disentangled = {
          .position_keys = parameter(case_.dtype, 512, columns),
          .position_queries = parameter(case_.dtype, 512, columns),
          .position_rows = TensorView::contiguous(position_rows_.data(), DType::kI32,
                                                  {static_cast<int64_t>(position_rows_.size())})};
    }
    return problem;
  }

  void fill() {
    const int64_t sequences = std::max<int64_t>(1, kBatchTokens / case_.length);
    const int64_t tokens = sequences * case_.length;
    const int64_t columns = int64_t{kHeads} * case_.head_size;
    const size_t bytes = dtype_size_bytes(case_.dtype);
    qkv_ = device_->allocate(static_cast<size_t>(tokens * 3 * columns) * bytes).value();
    out_ = device_->allocate(static_cast<size_t>(tokens * columns) * bytes).value();
    std::vector<float> values(static_cast<size_t>(tokens * 3 * columns));
    for (float& value : values) value = normal_(random_);
    convert_elements(values.data(), DType::kF32, qkv_.data(), case_.dtype, values.size());
    for (int64_t b = 0; b <= sequences; ++b) {
      cu_seqlens_.push_back(static_cast<int32_t>(b * case_.length));
    }
    const auto qkv = TensorView::contiguous(qkv_.data(), case_.dtype, {tokens, 3 * columns});
    args_.q = qkv.slice_columns(0, columns);
    args_.k = qkv.slice_columns(columns, columns);
    args_.v = qkv.slice_columns(2 * columns, columns);
    args_.out = TensorView::contiguous(out_.data(), case_.dtype, {tokens, columns});
    args_.cu_seqlens = TensorView::contiguous(cu_seqlens_.data(), DType::kI32, {sequences + 1});
    args_.host_cu_seqlens = cu_seqlens_;
    args_.max_seqlen = static_cast<int>(case_.length);
    const size_t workspace = attention_->workspace_bytes(tokens, sequences, case_.length, 1);
    workspace_ = device_->allocate((workspace + 63) / 64 * 64).value();
  }

  Case case_;
  std::shared_ptr<Device> device_;
  std::unique_ptr<Stream> stream_;
  const ops::OpTable* ops_ = nullptr;
  std::unique_ptr<Attention> attention_;
  Storage qkv_, out_, workspace_;
  std::deque<Storage> parameters_;
  std::vector<int32_t> position_rows_;
  std::mt19937 random_{1};
  std::normal_distribution<float> normal_;
  std::vector<int32_t> cu_seqlens_;
  AttentionArgs args_;
};

void run_case(benchmark::State& state, const Case& c) {
  Bench bench(c);
  const double peak_before = ops::register_peak_gflops(c.dtype, 1);
  double best_seconds = INFINITY;
  for (auto _ : state) {
    const double begin = thread_seconds();
    bench.run();
    const double seconds = thread_seconds() - begin;
    best_seconds = std::min(best_seconds, seconds);
    benchmark::ClobberMemory();
  }
  const double peak = std::max(peak_before, ops::register_peak_gflops(c.dtype, 1));
  const double iterations = static_cast<double>(state.iterations());
  const double best_gflops = bench.flops() / best_seconds * 1e-9;
  state.counters["GFLOP/s"] =
      benchmark::Counter(bench.flops() * iterations * 1e-9, benchmark::Counter::kIsRate);
  state.counters["best"] = best_gflops;
  state.counters["peak"] = peak;
  state.counters["share"] = best_gflops / peak;
}

void register_case(const Case& c) {
  const std::string name =
      fmt::format("{}/{}/{}/D{}/S{}/{}", c.backend, c.isa, dtype_name(c.dtype), c.head_size,
                  c.length, kKindNames[static_cast<size_t>(c.kind)]);
  benchmark::RegisterBenchmark(name.c_str(), [c](benchmark::State& state) {
    run_case(state, c);
  })->Unit(benchmark::kMicrosecond);
}

void register_cases(const std::string& backend, const std::string& isa) {
  for (const DType dtype : {DType::kF32, DType::kBF16}) {
    for (const int head_size : {32, 64}) {
      for (const int64_t length : {14, 32, 64, 128, 224, 256, 512}) {
        register_case({backend, isa, dtype, length, head_size});
      }
    }
    for (const Kind kind : {Kind::kCausal, Kind::kBias, Kind::kSoftcap, Kind::kDisentangled}) {
      for (const int64_t length : {32, 128, 256, 512}) {
        register_case({backend, isa, dtype, length, 64, kind});
      }
    }
    for (const int64_t length : {128, 512, 2048, 8192}) {
      register_case({backend, isa, dtype, length, 64, Kind::kWindow});
    }
  }
}

}  // namespace
}  // namespace wde::attention

int main(int argc, char** argv) {
  for (const wde::ops::OpTableEntry& entry : wde::ops::op_tables()) {
    if (entry.device_kind != "cpu" || !entry.refusal().empty()) continue;
    const bool reference = entry.name == "reference";
    wde::attention::register_cases(reference ? "naive" : "flash", std::string(entry.name));
  }
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
