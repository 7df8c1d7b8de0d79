#include "ops/registry.h"

#include "base/status.h"
#include "ops/cpu/op_tables.h"
#include "ops/ref/op_tables.h"

namespace wde::ops {
namespace {

std::string no_refusal() { return {}; }

#if defined(__x86_64__)
std::string avx512_refusal() {
  __builtin_cpu_init();
  const bool supported = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                         __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
  return supported ? "" : "the CPU lacks AVX-512 F/BW/DQ/VL";
}

std::string avx2_refusal() {
  __builtin_cpu_init();
  const bool supported = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
                         __builtin_cpu_supports("bmi2") && __builtin_cpu_supports("f16c");
  return supported ? "" : "the CPU lacks AVX2, FMA, BMI2 or F16C";
}
#else
std::string avx512_refusal() { return "not an x86-64 CPU"; }
std::string avx2_refusal() { return "not an x86-64 CPU"; }
#endif

// Reached only after the refusal was empty, so the table is there.
template <const char* kIsa>
const OpTable& table_of() {
  const OpTable* table = cpu_op_table(kIsa);
  WDE_CHECK(table != nullptr);
  return *table;
}
constexpr char kAvx512[] = "avx512";
constexpr char kAvx2[] = "avx2";
constexpr char kPortable[] = "portable";

constexpr OpTableEntry kEntries[] = {
    {kAvx512, "cpu", avx512_refusal, table_of<kAvx512>},
    {kAvx2, "cpu", avx2_refusal, table_of<kAvx2>},
    {kPortable, "cpu", no_refusal, table_of<kPortable>},
    {"reference", "cpu", no_refusal, ref::cpu_table},
    {"reference", "emulated", no_refusal, ref::emulated_table},
};

}  // namespace

std::span<const OpTableEntry> op_tables() { return kEntries; }

Result<const OpTable*> choose_op_table(std::string_view device_kind, std::string_view forced_isa) {
  std::string known;
  std::string refusals;
  bool tried = false;
  for (const OpTableEntry& entry : kEntries) {
    if (entry.device_kind != device_kind) continue;
    known += fmt::format("{}{}", known.empty() ? "" : ", ", entry.name);
    if (!forced_isa.empty() && entry.name != forced_isa) continue;
    tried = true;
    const std::string refusal = entry.refusal();
    if (refusal.empty()) return &entry.table();
    refusals += fmt::format("{}{}: {}", refusals.empty() ? "" : "; ", entry.name, refusal);
  }
  if (tried) return unsupported_error("{}", refusals);
  if (known.empty()) return invalid_argument_error("no ops for device kind \"{}\"", device_kind);
  return invalid_argument_error("unknown instruction set \"{}\" for {} (known: {})", forced_isa,
                                device_kind, known);
}

}  // namespace wde::ops
