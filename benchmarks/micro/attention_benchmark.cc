// Attention alone: GFLOP/s of 4 D S^2 per head and sequence, and the share of this core's peak in
// the same precision, which is measured right before and after each case, because other tenants of
// the machine come and go. One thread; 12 heads in a
// packed [T, 3 C] buffer, as the layers lay it out.
//   wde_attention_benchmark --benchmark_filter='flash/.*f32'
#include <benchmark/benchmark.h>
#include <time.h>

#include <algorithm>
#include <cmath>
#include <cstring>
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

struct Case {
  std::string backend;
  std::string isa;
  DType dtype;
  int64_t length;
  int head_size;
};

// A batch of equal sequences on the CPU with an attention that runs on it.
class Bench {
 public:
  explicit Bench(const Case& c) : case_(c) {
    device_ = create_device("cpu").value();
    stream_ = device_->create_stream();
    ops_ = ops::choose_op_table("cpu", c.isa).value();
    const AttentionProblem problem{.dtype = c.dtype,
                                   .heads = kHeads,
                                   .kv_heads = kHeads,
                                   .head_size = c.head_size,
                                   .scale = 1.0f / std::sqrt(static_cast<float>(c.head_size))};
    attention_ = create_attention(problem, *device_, *ops_, c.backend).value();
    fill();
  }

  void run() {
    Arena arena(workspace_.data(), workspace_.size_bytes());
    ops::OpContext context{.stream = *stream_, .ops = *ops_, .arena = arena};
    attend(context, *attention_, args_);
  }

  double flops() const {
    const auto sequences = static_cast<double>(cu_seqlens_.size() - 1);
    return 4.0 * sequences * kHeads * static_cast<double>(case_.length * case_.length) *
           case_.head_size;
  }

 private:
  void fill() {
    const int64_t sequences = std::max<int64_t>(1, kBatchTokens / case_.length);
    const int64_t tokens = sequences * case_.length;
    const int64_t columns = int64_t{kHeads} * case_.head_size;
    const size_t bytes = dtype_size_bytes(case_.dtype);
    qkv_ = device_->allocate(static_cast<size_t>(tokens * 3 * columns) * bytes).value();
    out_ = device_->allocate(static_cast<size_t>(tokens * columns) * bytes).value();
    std::vector<float> values(static_cast<size_t>(tokens * 3 * columns));
    std::mt19937 random(1);
    std::normal_distribution<float> normal;
    for (float& value : values) value = normal(random);
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
      fmt::format("{}/{}/{}/D{}/S{}", c.backend, c.isa, dtype_name(c.dtype), c.head_size, c.length);
  benchmark::RegisterBenchmark(name.c_str(), [c](benchmark::State& state) {
    run_case(state, c);
  })->Unit(benchmark::kMicrosecond);
}

void register_cases(const std::string& backend, const std::string& isa) {
  for (const DType dtype : {DType::kF32, DType::kBF16}) {
    for (const int head_size : {32, 64}) {
      for (const int64_t length : {14, 32, 64, 128, 224, 512}) {
        register_case({backend, isa, dtype, length, head_size});
      }
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
