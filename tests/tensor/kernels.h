// Host kernels for device tests.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "tensor/device.h"

namespace wde::test {

struct KernelRange {
  void* pointer;
  size_t size_bytes;
  bool written = false;
};

// Calls a function with the translated pointers of its ranges.
class FunctionKernel final : public HostKernel {
 public:
  using Function = std::function<void(const std::vector<KernelRange>&)>;
  FunctionKernel(std::string name, std::vector<KernelRange> arguments, Function function)
      : name_(std::move(name)), arguments_(std::move(arguments)), function_(std::move(function)) {}

  std::string_view name() const override { return name_; }
  std::vector<DeviceRange> ranges() override {
    std::vector<DeviceRange> ranges;
    for (KernelRange& argument : arguments_) {
      ranges.push_back({&argument.pointer, argument.size_bytes, argument.written});
    }
    return ranges;
  }
  void run() override { function_(arguments_); }

 private:
  std::string name_;
  std::vector<KernelRange> arguments_;
  Function function_;
};

inline std::unique_ptr<HostKernel> kernel(std::string name, std::vector<KernelRange> arguments,
                                          FunctionKernel::Function function) {
  return std::make_unique<FunctionKernel>(std::move(name), std::move(arguments),
                                          std::move(function));
}

// data[i] += 1 over int32.
inline std::unique_ptr<HostKernel> increment(void* data, size_t size_bytes) {
  return kernel("increment", {{data, size_bytes, true}}, [](const auto& arguments) {
    auto* values = static_cast<int32_t*>(arguments[0].pointer);
    for (size_t i = 0; i < arguments[0].size_bytes / 4; ++i) ++values[i];
  });
}

}  // namespace wde::test
