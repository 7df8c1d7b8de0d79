#include "tensor/device_registry.h"

#include "tensor/cpu_device.h"
#include "tensor/emulated_device.h"

namespace wde {
namespace {

std::string never_refused() { return {}; }

Result<std::shared_ptr<Device>> create_cpu() { return create_cpu_device(); }

Result<std::shared_ptr<Device>> create_emulated() {
  WDE_ASSIGN_OR_RETURN(std::shared_ptr<EmulatedDevice> device, create_emulated_device());
  return std::shared_ptr<Device>(std::move(device));
}

constexpr DeviceEntry kDevices[] = {
    {"cpu", "this machine's CPU", DeviceUse::kProduction, never_refused, create_cpu},
    {"emulated", "for tests: own address space, late and reordering streams", DeviceUse::kTests,
     never_refused, create_emulated},
};

Result<std::shared_ptr<Device>> create_best() {
  std::string reasons;
  for (const DeviceEntry& entry : kDevices) {
    if (entry.use != DeviceUse::kProduction) continue;
    const std::string refusal = entry.refusal();
    if (refusal.empty()) return entry.create();
    reasons += fmt::format("; {}: {}", entry.name, refusal);
  }
  return unsupported_error("no device can be used{}", reasons);
}

}  // namespace

std::span<const DeviceEntry> device_entries() { return kDevices; }

Result<std::shared_ptr<Device>> create_device(std::string_view name) {
  if (name == "auto") return create_best();
  std::string known = "auto";
  for (const DeviceEntry& entry : kDevices) {
    known += fmt::format(", {}", entry.name);
    if (entry.name != name) continue;
    const std::string refusal = entry.refusal();
    if (refusal.empty()) return entry.create();
    return unsupported_error("device \"{}\": {}", name, refusal);
  }
  return invalid_argument_error("unknown device \"{}\"; known: {}", name, known);
}

}  // namespace wde
