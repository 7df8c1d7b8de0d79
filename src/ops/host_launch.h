// Turns a plain function over an argument struct into a HostKernel, for devices that run host code
// but have their own address space and time (emulated). Every op's argument struct has a
// visit_views() overload beside it, which names its views and which of them are written; the
// struct's namespace finds it. Only for backends: layers and models never launch anything
// themselves.
#pragma once

#include <memory>
#include <string_view>
#include <utility>
#include <vector>

#include "ops/ops.h"
#include "tensor/device.h"

namespace wde::ops {

enum class Access { kRead, kWrite };

// visit(view, access) for every view of the arguments. A view that is both input and output by
// aliasing appears as each.
template <class Visit>
void visit_views(EmbeddingSumArgs& args, const Visit& visit) {
  for (TensorView* view : {&args.ids, &args.positions, &args.type_ids, &args.word_table,
                           &args.position_table, &args.type_table}) {
    visit(*view, Access::kRead);
  }
  visit(args.out, Access::kWrite);
}

template <class Visit>
void visit_views(LayerNormArgs& args, const Visit& visit) {
  for (TensorView* view : {&args.x, &args.residual, &args.weight, &args.bias}) {
    visit(*view, Access::kRead);
  }
  visit(args.out, Access::kWrite);
}

template <class Visit>
void visit_views(RmsNormArgs& args, const Visit& visit) {
  for (TensorView* view : {&args.x, &args.residual, &args.addend, &args.weight}) {
    visit(*view, Access::kRead);
  }
  visit(args.out, Access::kWrite);
}

template <class Visit>
void visit_views(RopeArgs& args, const Visit& visit) {
  visit(args.positions, Access::kRead);
  visit(args.table, Access::kRead);
  visit(args.x, Access::kWrite);
}

template <class Visit>
void visit_views(GatedActivationArgs& args, const Visit& visit) {
  visit(args.x, Access::kRead);
  visit(args.out, Access::kWrite);
}

template <class Visit>
void visit_views(PoolingArgs& args, const Visit& visit) {
  for (TensorView* view : {&args.hidden, &args.cu_seqlens, &args.skip, &args.ids}) {
    visit(*view, Access::kRead);
  }
  visit(args.out, Access::kWrite);
}

template <class Visit>
void visit_views(L2NormalizeArgs& args, const Visit& visit) {
  visit(args.x, Access::kRead);
  visit(args.out, Access::kWrite);
}

template <class Visit>
void visit_views(ConvertArgs& args, const Visit& visit) {
  visit(args.x, Access::kRead);
  visit(args.out, Access::kWrite);
}

template <class Visit>
void visit_views(GemmArgs& args, const Visit& visit) {
  visit(args.x, Access::kRead);
  visit(args.residual, Access::kRead);
  visit(args.y, Access::kWrite);
}

template <class Args>
class HostKernelOf final : public HostKernel {
 public:
  using Function = void (*)(const Args&);
  HostKernelOf(std::string_view name, Args args, Function function)
      : name_(name), args_(std::move(args)), function_(function) {}

  std::string_view name() const override { return name_; }
  std::vector<DeviceRange> ranges() override {
    std::vector<DeviceRange> ranges;
    visit_views(args_, [&ranges](TensorView& view, Access access) {
      const size_t size_bytes = view.data == nullptr ? 0 : view.span_bytes();
      if (size_bytes != 0) ranges.push_back({&view.data, size_bytes, access == Access::kWrite});
    });
    return ranges;
  }
  void run() override { function_(args_); }

 private:
  std::string_view name_;
  Args args_;
  Function function_;
};

// Enqueues function(args). `name` must outlive the work (a literal); args are copied.
template <class Args>
void launch_on_host(Stream& stream, std::string_view name, const Args& args,
                    void (*function)(const Args&)) {
  stream.launch(std::make_unique<HostKernelOf<Args>>(name, args, function));
}

}  // namespace wde::ops
