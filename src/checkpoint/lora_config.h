// adapter_config.json of PEFT (github.com/huggingface/peft, LoraConfig), as far as merging a LoRA
// needs it. Every field that changes what an adapter computes is read, or refused by its name.
#pragma once

#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/status.h"

namespace wde::checkpoint {

constexpr char kAdapterConfigName[] = "adapter_config.json";

struct LoraConfig {
  std::string base_model;     // "base_model_name_or_path": a folder or a hub id; may be empty
  std::string base_revision;  // "revision", of a hub id; empty: the default one
  int64_t rank = 8;           // "r"
  double alpha = 8;
  bool rank_stabilized = false;  // scale by alpha / sqrt(r) (Kalajdzievski 2023, arXiv:2312.03732)
  bool fan_in_fan_out = false;   // matrices are stored [in, out]
  bool trains_biases = false;    // "bias" is not "none": the adapter brings biases whole
  std::vector<std::string> modules_to_save;

  // Of one module, by its name in the model that was trained: "layers.0.self_attn.q_proj".
  int64_t rank_of(std::string_view module) const;
  double scale_of(std::string_view module) const;
  // Whether the adapter may bring the module's own tensors whole.
  bool saves(std::string_view module) const;

  std::vector<std::pair<std::string, int64_t>> rank_pattern;  // in the file's order
  std::vector<std::pair<std::string, double>> alpha_pattern;
};

// Errors: kNotFound, kIoError, kDataLoss; kUnsupported for another kind of adapter than LoRA, for
// DoRA and whatever else is not merged here, by the field's name. Each names the file.
Result<LoraConfig> read_lora_config(const std::string& folder);

}  // namespace wde::checkpoint
