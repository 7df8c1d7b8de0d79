// The CPU as a device: plain host memory, streams that run their work inline in the thread that
// enqueues it, and events that are therefore always reached. Thread-safe as device.h says; it must
// not know what runs on it.
#pragma once

#include <memory>

#include "tensor/device.h"

namespace wde {

// Memory is what this process may use (base/thread_pool.h, available_memory_bytes). Blocks of 2 MiB
// and more ask the kernel for huge pages. Copies may overlap nothing; a kernel's ranges() are not
// asked for.
std::shared_ptr<Device> create_cpu_device();

}  // namespace wde
