// Engine::load on a device that the caller made: for tests, which set up an emulated device's
// faults and schedules.
#pragma once

#include <memory>

#include "wde/engine.h"

namespace wde {
class Device;
}

namespace wde::engine {

// A null device means the one that options.device names. Errors: those of Engine::load.
Result<std::unique_ptr<Engine>> load_on_device(const EngineOptions& options,
                                               std::shared_ptr<Device> device);

}  // namespace wde::engine
