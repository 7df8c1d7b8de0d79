#include "wde/catalog.h"

#include <fmt/ranges.h>

#include "attention/attention.h"
#include "base/dtype.h"
#include "execution/executor.h"
#include "heads/recipe.h"
#include "models/registry.h"
#include "ops/registry.h"
#include "tensor/device_registry.h"
#include "tokenizer/registry.h"
#include "workflow/workflow.h"

namespace wde {
namespace {

// A problem that every backend is asked about, for backends whose refusals depend on one: BERT's.
attention::AttentionProblem attention_probe(DType dtype) {
  return {.dtype = dtype, .heads = 12, .kv_heads = 12, .head_size = 64, .scale = 0.125f};
}

struct Probe {
  std::string_view name;
  std::string refusal;  // empty: it can
};

// A backend's entry: what it serves, and what not and why.
CatalogEntry probed(std::string_view name, const std::vector<Probe>& probes) {
  CatalogEntry entry{.name = std::string(name)};
  std::string served, refused;
  bool one_reason = true;
  for (const Probe& probe : probes) {
    if (probe.refusal.empty()) {
      served += fmt::format("{}{}", served.empty() ? "" : ", ", probe.name);
    } else {
      refused += fmt::format("{}{}: {}", refused.empty() ? "" : "; ", probe.name, probe.refusal);
    }
    one_reason = one_reason && probe.refusal == probes.front().refusal;
  }
  if (served.empty()) {
    entry.refusal = one_reason ? probes.front().refusal : refused;
  } else {
    entry.description = refused.empty() ? served : fmt::format("{} ({})", served, refused);
  }
  return entry;
}

std::string task_list(std::span<const Task> tasks) {
  std::vector<std::string_view> names;
  for (const Task task : tasks) names.push_back(task_name(task));
  return fmt::format("{}", fmt::join(names, ", "));
}

CatalogSection workflows() {
  CatalogSection section{.title = "workflows"};
  for (const workflow::Manifest& manifest : workflow::manifests()) {
    section.entries.push_back(
        {.name = std::string(manifest.name),
         .description = fmt::format("{} ({})", manifest.description, task_list(manifest.tasks))});
  }
  return section;
}

// What a checkpoint of an architecture is asked for: an encoder's heads lie in files beside it.
std::vector<Task> tasks_of(heads::HeadKind kind) {
  switch (kind) {
    case heads::HeadKind::kSequenceClassification:
      return {Task::kRerank, Task::kClassify};
    case heads::HeadKind::kTokenClassification:
      return {Task::kClassifyTokens};
    case heads::HeadKind::kProcessReward:
      return {Task::kClassifyTokens};
    case heads::HeadKind::kMaskedLm:
      return {Task::kSparse};
    case heads::HeadKind::kCausalLm:
      return {Task::kRerank};
  }
  return {};
}

CatalogSection architectures() {
  CatalogSection section{.title = "architectures"};
  for (const models::ModelEntry& entry : models::model_entries()) {
    const auto* served =
        entry.is_table ? "embed, hidden, sparse" : "embed, hidden, multivector, hybrid";
    section.entries.push_back({.name = std::string(entry.architecture),
                               .description = fmt::format("{} ({})", entry.description, served)});
    for (const heads::Recipe& recipe : heads::recipes()) {
      if (recipe.backbone != entry.architecture) continue;
      std::vector<Task> tasks = tasks_of(recipe.kind);
      tasks.insert(tasks.end(), {Task::kEmbed, Task::kHidden});
      section.entries.push_back(
          {.name = std::string(recipe.architecture),
           .description = fmt::format("{} with a head ({})", recipe.backbone, task_list(tasks))});
    }
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

CatalogSection tokenizer_parts() {
  CatalogSection section{.title = "tokenizer parts"};
  for (const tokenizer::PartNames& part : tokenizer::part_names()) {
    section.entries.push_back({.name = std::string(part.kind),
                               .description = fmt::format("{}", fmt::join(part.names, ", "))});
  }
  return section;
}

CatalogSection names_only(const char* title, const std::vector<std::string_view>& names) {
  CatalogSection section{.title = title};
  for (const std::string_view name : names) section.entries.push_back({.name = std::string(name)});
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
    const auto refusal = [&](DType dtype) {
      return backend.refusal(attention_probe(dtype), **device, **ops);
    };
    attention.entries.push_back(
        probed(backend.name, {{"f32", refusal(DType::kF32)}, {"bf16", refusal(DType::kBF16)}}));
  }
  for (const ops::GemmBackend& backend : ops::gemm_backends()) {
    const auto refusal = [&](DType dtype, ops::WeightFormat weights) {
      return backend.refusal({.dtype = dtype,
                              .output_dtype = dtype,
                              .n = 768,
                              .k = 768,
                              .weights = weights,
                              .bias = true},
                             **device, **ops);
    };
    gemm.entries.push_back(
        probed(backend.name, {{"f32", refusal(DType::kF32, ops::WeightFormat::kDType)},
                              {"bf16", refusal(DType::kBF16, ops::WeightFormat::kDType)},
                              {"int8", refusal(DType::kF32, ops::WeightFormat::kInt8)}}));
  }
  sections->push_back(std::move(attention));
  sections->push_back(std::move(gemm));
}

}  // namespace

std::vector<CatalogSection> catalog() {
  std::vector<CatalogSection> sections = {workflows(),
                                          architectures(),
                                          tokenizer_parts(),
                                          names_only("poolings", ops::pooling_names()),
                                          names_only("activations", ops::activation_names()),
                                          devices(),
                                          instruction_sets()};
  add_backends(&sections);
  sections.push_back(executors());
  return sections;
}

std::string version() { return WDE_VERSION; }

}  // namespace wde
