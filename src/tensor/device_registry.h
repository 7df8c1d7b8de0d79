// The table of devices: the one place that names them. Thread-safe (it is constant).
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "base/status.h"
#include "tensor/device.h"

namespace wde {

enum class DeviceUse {
  kProduction,  // "auto" may pick it
  kTests,       // only by its name
};

struct DeviceEntry {
  std::string_view name;
  std::string_view description;
  DeviceUse use;
  // Empty when this machine has it, else the reason why not.
  std::string (*refusal)();
  Result<std::shared_ptr<Device>> (*create)();
};

// Best first.
std::span<const DeviceEntry> device_entries();

// A new device by its name in the table, or the best that this machine has for "auto".
// Errors: kInvalidArgument for an unknown name (lists the known ones), kUnsupported with the
// reason.
Result<std::shared_ptr<Device>> create_device(std::string_view name);

}  // namespace wde
