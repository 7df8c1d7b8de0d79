// Any bytes as a GGUF file: a Status, or tensors whose rows lie inside the bytes; what its metadata
// says as a model, likewise.
#include <algorithm>
#include <span>
#include <vector>

#include "checkpoint/gguf_file.h"
#include "checkpoint/gguf_model.h"
#include "tensor/computed_rows.h"

namespace {

// The first and the last row of every tensor, which touch the ends of its bytes.
void read_ends(const wde::checkpoint::WeightSource& source) {
  constexpr int64_t kMostElements = 1 << 20;
  for (const std::string& name : source.names()) {
    const auto tensor = source.tensor(name);
    if (!tensor.ok() || tensor->shape.elements() == 0 || tensor->shape.rank() == 0) continue;
    if (tensor->row_elements() > kMostElements) continue;
    std::vector<float> row(static_cast<size_t>(tensor->row_elements()));
    wde::read_f32(tensor->slice_rows(0, 1), row.data());
    wde::read_f32(tensor->slice_rows(tensor->rows() - 1, 1), row.data());
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::span<const std::byte> bytes(reinterpret_cast<const std::byte*>(data), size);
  auto file = wde::checkpoint::open_gguf_bytes(bytes, "fuzzed");
  if (!file.ok()) return 0;
  read_ends(*file->tensors);
  const auto model = wde::checkpoint::read_gguf_model(std::move(file).value());
  if (model.ok()) read_ends(*model->weights);
  return 0;
}
