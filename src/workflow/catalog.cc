#include "wde/catalog.h"

#include "attention/attention.h"
#include "base/dtype.h"
#include "execution/executor.h"
#include "models/registry.h"
#include "ops/registry.h"
#include "tensor/device_registry.h"
#include "workflow/workflow.h"

namespace wde {
namespace {

// A problem that every backend is asked about, for backends whose refusals depend on one: BERT's.
attention::AttentionProblem attention_probe(DType dtype) {
  return {.dtype = dtype, .heads = 12, .kv_heads = 12, .head_size = 64, .scale = 0.125f};
}

// The reasons why a backend can't serve f32 or bf16, or empty when it can serve either.
template <class Refusal>
CatalogEntry probed(std::string_view name, const Refusal& refusal) {
  CatalogEntry entry{.name = std::string(name)};
  const std::string f32 = refusal(DType::kF32), bf16 = refusal(DType::kBF16);
  if (f32.empty() && bf16.empty()) {
    entry.description = "f32, bf16";
  } else if (f32.empty() || bf16.empty()) {
    entry.description = f32.empty() ? "f32 (bf16: " + bf16 + ")" : "bf16 (f32: " + f32 + ")";
  } else {
    entry.refusal = f32 == bf16 ? f32 : "f32: " + f32 + "; bf16: " + bf16;
  }
  return entry;
}

CatalogSection workflows() {
  CatalogSection section{.title = "workflows"};
  for (const workflow::Manifest& manifest : workflow::manifests()) {
    section.entries.push_back(
        {.name = std::string(manifest.name), .description = std::string(manifest.description)});
  }
  return section;
}

CatalogSection architectures() {
  CatalogSection section{.title = "architectures"};
  for (const models::ModelEntry& entry : models::model_entries()) {
    section.entries.push_back(
        {.name = std::string(entry.architecture), .description = std::string(entry.description)});
  }
  return section;
}

CatalogSection devices() {
  CatalogSection section{.title = "devices"};
  for (const DeviceEntry& entry : device_entries()) {
    section.entries.push_back({.name = std::string(entry.name),
                               .description = std::string(entry.description),
                               .refusal = entry.refusal()});
  }
  return section;
}

CatalogSection instruction_sets() {
  CatalogSection section{.title = "ops (instruction sets)"};
  for (const ops::OpTableEntry& entry : ops::op_tables()) {
    section.entries.push_back({.name = std::string(entry.name),
                               .description = "on " + std::string(entry.device_kind),
                               .refusal = entry.refusal()});
  }
  return section;
}

CatalogSection executors() {
  CatalogSection section{.title = "executors"};
  for (const execution::ExecutorKind& kind : execution::executor_kinds()) {
    section.entries.push_back(
        {.name = std::string(kind.name), .description = std::string(kind.description)});
  }
  return section;
}

// The registries whose answers depend on the device, for the device that "auto" picks.
void add_backends(std::vector<CatalogSection>* sections) {
  const auto device = create_device("auto");
  if (!device.ok()) return;
  const auto ops = ops::choose_op_table((*device)->kind());
  if (!ops.ok()) return;
  CatalogSection attention{.title = "attention backends"}, gemm{.title = "gemm backends"};
  for (const attention::AttentionBackend& backend : attention::attention_backends()) {
    attention.entries.push_back(probed(backend.name, [&](DType dtype) {
      return backend.refusal(attention_probe(dtype), **device, **ops);
    }));
  }
  for (const ops::GemmBackend& backend : ops::gemm_backends()) {
    gemm.entries.push_back(probed(backend.name, [&](DType dtype) {
      return backend.refusal(
          {.dtype = dtype, .output_dtype = dtype, .n = 768, .k = 768, .bias = true}, **device,
          **ops);
    }));
  }
  sections->push_back(std::move(attention));
  sections->push_back(std::move(gemm));
}

}  // namespace

std::vector<CatalogSection> catalog() {
  std::vector<CatalogSection> sections = {workflows(), architectures(), devices(),
                                          instruction_sets()};
  add_backends(&sections);
  sections.push_back(executors());
  return sections;
}

std::string version() { return WDE_VERSION; }

}  // namespace wde
