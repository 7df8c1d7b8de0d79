#include "ops/registry.h"

#if defined(__aarch64__)
#include <sys/auxv.h>  // HWCAP_ as well
#elif defined(__x86_64__)
#include <cpuid.h>
#endif

#include "base/status.h"
#include "ops/cpu/op_tables.h"
#include "ops/ref/op_tables.h"

namespace wde::ops {
namespace {

std::string no_refusal() { return {}; }

#if defined(__x86_64__)
// What must be asked for by a literal.
#define WDE_CPU_HAS(feature) (__builtin_cpu_init(), __builtin_cpu_supports(feature) != 0)

// A name that Clang 14 does not take there. What the operating system must do for it, it does for
// AVX2.
bool has_f16c() {
  unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
  return __get_cpuid(1, &eax, &ebx, &ecx, &edx) != 0 && (ecx & bit_F16C) != 0;
}

std::string avx2_refusal() {
  const bool supported =
      WDE_CPU_HAS("avx2") && WDE_CPU_HAS("fma") && WDE_CPU_HAS("bmi2") && has_f16c();
  return supported ? "" : "the CPU lacks AVX2, FMA, BMI2 or F16C";
}

std::string avx512_refusal() {
  const bool supported = WDE_CPU_HAS("avx512f") && WDE_CPU_HAS("avx512bw") &&
                         WDE_CPU_HAS("avx512dq") && WDE_CPU_HAS("avx512vl");
  return supported ? "" : "the CPU lacks AVX-512 F/BW/DQ/VL";
}

std::string avx512_vnni_refusal() {
  if (std::string refusal = avx512_refusal(); !refusal.empty()) return refusal;
  return WDE_CPU_HAS("avx512vnni") ? "" : "the CPU lacks AVX-512 VNNI";
}

// The kernels are compiled for what Highway calls AVX3_DL, which every CPU with BF16 has but for
// Cooper Lake.
std::string avx512_bf16_refusal() {
  if (std::string refusal = avx512_vnni_refusal(); !refusal.empty()) return refusal;
  const bool supported = WDE_CPU_HAS("avx512bf16") && WDE_CPU_HAS("avx512vbmi") &&
                         WDE_CPU_HAS("avx512vbmi2") && WDE_CPU_HAS("avx512bitalg") &&
                         WDE_CPU_HAS("avx512vpopcntdq") && WDE_CPU_HAS("vpclmulqdq");
  return supported ? ""
                   : "the CPU lacks AVX-512 BF16, VBMI, VBMI2, BITALG, VPOPCNTDQ or VPCLMULQDQ";
}
#else
std::string avx2_refusal() { return "not an x86-64 CPU"; }
std::string avx512_refusal() { return "not an x86-64 CPU"; }
std::string avx512_vnni_refusal() { return "not an x86-64 CPU"; }
std::string avx512_bf16_refusal() { return "not an x86-64 CPU"; }
#endif

#if defined(__aarch64__)
// Every ARM64 CPU has NEON.
std::string neon_refusal() { return {}; }

std::string neon_dot_refusal() {
  const bool supported = (::getauxval(AT_HWCAP) & HWCAP_ASIMDDP) != 0;
  return supported ? "" : "the CPU lacks the dot product of 8-bit integers (DotProd)";
}

std::string neon_bf16_refusal() {
  if (std::string refusal = neon_dot_refusal(); !refusal.empty()) return refusal;
  const bool supported = (::getauxval(AT_HWCAP2) & HWCAP2_BF16) != 0;
  return supported ? "" : "the CPU lacks BF16";
}
#else
std::string neon_refusal() { return "not an ARM64 CPU"; }
std::string neon_dot_refusal() { return "not an ARM64 CPU"; }
std::string neon_bf16_refusal() { return "not an ARM64 CPU"; }
#endif

// Reached only after the refusal was empty, so the table is there.
template <const char* kIsa>
const OpTable& table_of() {
  const OpTable* table = cpu_op_table(kIsa);
  WDE_CHECK(table != nullptr);
  return *table;
}
constexpr char kAvx512Bf16[] = "avx512_bf16";
constexpr char kAvx512Vnni[] = "avx512_vnni";
constexpr char kAvx512[] = "avx512";
constexpr char kAvx2[] = "avx2";
constexpr char kNeonBf16[] = "neon_bf16";
constexpr char kNeonDot[] = "neon_dot";
constexpr char kNeon[] = "neon";
constexpr char kPortable[] = "portable";

constexpr OpTableEntry kEntries[] = {
    {kAvx512Bf16, "cpu", avx512_bf16_refusal, table_of<kAvx512Bf16>},
    {kAvx512Vnni, "cpu", avx512_vnni_refusal, table_of<kAvx512Vnni>},
    {kAvx512, "cpu", avx512_refusal, table_of<kAvx512>},
    {kAvx2, "cpu", avx2_refusal, table_of<kAvx2>},
    {kNeonBf16, "cpu", neon_bf16_refusal, table_of<kNeonBf16>},
    {kNeonDot, "cpu", neon_dot_refusal, table_of<kNeonDot>},
    {kNeon, "cpu", neon_refusal, table_of<kNeon>},
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
