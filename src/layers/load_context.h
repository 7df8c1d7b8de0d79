// What a layer needs to put its parameters onto a device. Lives while a model is loaded; start-up
// thread.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "ops/gemm.h"
#include "tensor/computed_rows.h"
#include "tensor/device.h"

namespace wde::layers {

// The parameters' memory on the device. Owned by the model, shared by all workers on the device.
class ParameterStore {
 public:
  void add(Storage storage) { storages_.push_back(std::move(storage)); }

 private:
  std::vector<Storage> storages_;
};

struct LoadContext {
  std::shared_ptr<Device> device;
  const ops::OpTable& ops;
  DType dtype = DType::kF32;  // of activations, and of packed matrices unless `weights` says else
  ops::WeightFormat weights = ops::WeightFormat::kDType;
  int64_t max_length = 0;         // of the longest text, in tokens; 0: as long as the model can
  std::string gemm_backend;       // forced, or empty
  std::string attention_backend;  // forced, or empty
  // A dry run: check every tensor, count the bytes, copy and pack nothing.
  bool planning = false;
  size_t weight_bytes = 0;  // of device memory that the parameters take (mapped ones included)
  size_t mapped_bytes = 0;  // of these, tables that are read where the checkpoint is mapped
  ParameterStore* store = nullptr;
};

// A parameter as f32 on the device, whatever the checkpoint has. Errors: kResourceExhausted.
Result<TensorView> load_f32(LoadContext& context, const TensorView& host);

// The same of a table of integers, i32.
Result<TensorView> load_i32(LoadContext& context, const TensorView& host);

// Device memory for a parameter that is computed while the model is loaded; data null where only
// bytes are counted. Errors: kResourceExhausted.
Result<TensorView> allocate_parameter(LoadContext& context, DType dtype, const Shape& shape);

// An embedding table: used where it is mapped when the device reaches host memory and the dtype is
// one that the ops read (f32, bf16; aligned), else copied, as f32; one that is computed, in the
// model's dtype. The caller keeps the mapping alive. Errors: kResourceExhausted.
Result<TensorView> load_table(LoadContext& context, const TensorView& host);

// Rows of several matrices with the same columns, or vectors, one below the other, on the host (a
// fused QKV projection). Nothing is copied: rows are read when they are asked for, and codes stay
// codes where all parts have the same layout. The view's owner is `*storage`; the parts must live
// as long. Parts whose data is null, as the biases of layers without: all of them or none; the
// answer's data is null then.
TensorView stack_rows(std::span<const TensorView> parts, std::unique_ptr<ComputedRows>* storage);

}  // namespace wde::layers
