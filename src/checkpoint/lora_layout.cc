#include "checkpoint/lora_layout.h"

namespace wde::checkpoint {
namespace {

constexpr std::string_view kWeight = ".weight";

// Matrices that are not square, by their biases, which are as long as there are outputs.
struct Layouts {
  int inputs_first = 0, outputs_first = 0;
};

Layouts count_layouts(const WeightSource& model) {
  Layouts layouts;
  for (const std::string& name : model.names()) {
    if (!name.ends_with(kWeight)) continue;
    const std::string bias = name.substr(0, name.size() - kWeight.size()) + ".bias";
    if (!model.has(bias)) continue;
    const auto weight = model.tensor(name);
    const auto outputs = model.tensor(bias);
    if (!weight.ok() || !outputs.ok() || weight->shape.rank() != 2) continue;
    if (weight->rows() == weight->row_elements()) continue;
    if (outputs->rows() == weight->row_elements()) ++layouts.inputs_first;
    if (outputs->rows() == weight->rows()) ++layouts.outputs_first;
  }
  return layouts;
}

}  // namespace

Status check_layout(const WeightSource& model, const std::string& name, const Shape& shape,
                    bool fan_in_fan_out) {
  if (shape[0] != shape[1]) return {};
  const Layouts layouts = count_layouts(model);
  const int agreeing = fan_in_fan_out ? layouts.inputs_first : layouts.outputs_first;
  const int others = fan_in_fan_out ? layouts.outputs_first : layouts.inputs_first;
  if (agreeing > 0 || others == 0) return {};
  return data_loss_error(
      "\"fan_in_fan_out\": {}, but the model's matrices are stored [{}]; \"{}\" {} itself does not "
      "tell",
      fan_in_fan_out, fan_in_fan_out ? "out, in" : "in, out", name, shape.to_string());
}

}  // namespace wde::checkpoint
