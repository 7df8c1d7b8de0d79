// Brute-force search on one thread: GB/s of rows read once a pass for few queries, GFLOP/s for
// many, and beside them what one thread reads at best (a sum over the same bytes), measured in the
// same run.
//   wde_retrieval_benchmark --benchmark_filter='search/.*dim:384'
#include <benchmark/benchmark.h>

#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "wde/retrieval.h"

namespace wde::retrieval {
namespace {

constexpr int64_t kValues = int64_t{48} << 20;  // 192 MiB of f32: beyond every cache
constexpr int64_t kTopK = 10;

std::vector<float> random_values(size_t count) {
  std::mt19937 random(1);
  std::uniform_real_distribution<float> uniform(-1, 1);
  std::vector<float> values(count);
  for (float& value : values) value = uniform(random);
  return values;
}

const std::vector<float>& corpus() {
  static const std::vector<float> kCorpus = random_values(kValues);
  return kCorpus;
}

double stored_bytes(VectorStorage storage) {
  const double width = storage == VectorStorage::kF32 ? 4 : storage == VectorStorage::kBF16 ? 2 : 1;
  return width * static_cast<double>(kValues);
}

// The roofline of a pass: four sums side by side, so that adding is not what limits.
void read_memory(benchmark::State& state) {
  const auto* words = reinterpret_cast<const uint64_t*>(corpus().data());
  const size_t count = corpus().size() / 2;
  for (auto _ : state) {
    uint64_t sums[8] = {};
    for (size_t i = 0; i + 8 <= count; i += 8) {
      for (size_t lane = 0; lane < 8; ++lane) sums[lane] ^= words[i + lane];
    }
    benchmark::DoNotOptimize(sums);
  }
  state.counters["GB/s"] = benchmark::Counter(stored_bytes(VectorStorage::kF32) * 1e-9,
                                              benchmark::Counter::kIsIterationInvariantRate);
}

struct Case {
  VectorStorage storage;
  Similarity similarity;
  int64_t columns;
  int64_t queries;
};

void search(benchmark::State& state, const Case& c) {
  const auto index = VectorIndex::create(
      corpus(), c.columns, {.similarity = c.similarity, .storage = c.storage, .threads = 1});
  const std::vector<float> queries = random_values(static_cast<size_t>(c.queries * c.columns));
  for (auto _ : state) {
    auto hits = (*index)->search(queries, kTopK);
    benchmark::DoNotOptimize(hits);
  }
  using benchmark::Counter;
  state.counters["GB/s"] =
      Counter(stored_bytes(c.storage) * 1e-9, Counter::kIsIterationInvariantRate);
  state.counters["GFLOP/s"] =
      Counter(2e-9 * static_cast<double>(kValues * c.queries), Counter::kIsIterationInvariantRate);
}

const char* storage_name(VectorStorage storage) {
  return storage == VectorStorage::kF32 ? "f32" : storage == VectorStorage::kBF16 ? "bf16" : "int8";
}

void register_all() {
  benchmark::RegisterBenchmark("read_memory", read_memory)->Unit(benchmark::kMillisecond);
  for (const VectorStorage storage :
       {VectorStorage::kF32, VectorStorage::kBF16, VectorStorage::kInt8}) {
    for (const int64_t columns : {384, 1024}) {
      for (const int64_t queries : {1, 64}) {
        const Case c{storage, Similarity::kCosine, columns, queries};
        const std::string name = std::string("search/") + storage_name(storage) +
                                 "/dim:" + std::to_string(columns) +
                                 "/queries:" + std::to_string(queries);
        benchmark::RegisterBenchmark(name.c_str(), search, c)->Unit(benchmark::kMillisecond);
      }
    }
  }
}

}  // namespace
}  // namespace wde::retrieval

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  wde::retrieval::register_all();
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
