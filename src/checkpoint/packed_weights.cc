#include "checkpoint/packed_weights.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "base/nearest_name.h"
#include "tensor/computed_rows.h"

namespace wde::checkpoint {
namespace {

constexpr std::string_view kSuffixes[] = {".qweight", ".qzeros", ".scales", ".g_idx"};
constexpr std::string_view kWeight = ".weight";

struct Packing {
  bool awq = false;
  int bits = 0;
  int64_t group_size = 0;       // -1: one group
  bool zeros_less_one = false;  // what is stored is one less than the zero

  int64_t codes_per_word() const { return 32 / bits; }
};

// The modules' four tensors. `zeros` and `order` are read once, when the source is made.
struct Module {
  TensorView codes;   // GPTQ: [inputs / per word, outputs]; AWQ: [inputs, outputs / per word]
  TensorView scales;  // [groups, outputs]
  std::vector<uint8_t> zeros;     // [groups, outputs]; empty where all are the layout's zero code
  std::vector<int32_t> group_of;  // [inputs]; empty: neighbours
};

uint32_t load_word(const TensorView& view, int64_t row, int64_t column) {
  uint32_t word;
  std::memcpy(&word, view.as<const std::byte>() + (row * view.row_stride + column) * 4, 4);
  return word;
}

// Where AutoAWQ puts output i of 8 in a word (awq/utils/packing_utils.py: AWQ_REVERSE_ORDER).
constexpr std::array<int, 8> kAwqPlaces = {0, 4, 1, 5, 2, 6, 3, 7};

int code_at(const Packing& packing, const TensorView& view, int64_t row, int64_t output) {
  // Both pack zeros along outputs; AWQ codes too.
  const int64_t per_word = packing.codes_per_word();
  const int64_t within = output % per_word;
  const int place =
      packing.awq ? kAwqPlaces[static_cast<size_t>(within)] : static_cast<int>(within);
  const uint32_t word = load_word(view, row, output / per_word);
  return static_cast<int>(word >> (place * packing.bits) & ((1u << packing.bits) - 1));
}

class PackedRows final : public CodedRows {
 public:
  PackedRows(const Shape& shape, const CodeLayout& layout, const Packing& packing,
             std::unique_ptr<const Module> module)
      : CodedRows(shape, layout), packing_(packing), module_(std::move(module)) {}

  void read_codes(int64_t row, uint8_t* codes, float* scales, float* offsets) const override {
    const int64_t inputs = shape()[1], outputs = shape()[0];
    const int64_t per_word = packing_.codes_per_word();
    if (packing_.awq) {
      for (int64_t k = 0; k < inputs; ++k)
        codes[k] = static_cast<uint8_t>(code_at(packing_, module_->codes, k, row));
    } else {
      const uint32_t mask = (1u << packing_.bits) - 1;
      for (int64_t k = 0; k < inputs; k += per_word) {
        uint32_t word = load_word(module_->codes, k / per_word, row);
        for (int64_t i = 0; i < per_word; ++i, word >>= packing_.bits)
          codes[k + i] = static_cast<uint8_t>(word & mask);
      }
    }
    const auto scale_bytes = static_cast<int64_t>(dtype_size_bytes(module_->scales.dtype));
    const int64_t groups = module_->scales.rows();
    for (int64_t g = 0; g < groups; ++g) {
      convert_elements(module_->scales.as<const std::byte>() + (g * outputs + row) * scale_bytes,
                       module_->scales.dtype, scales + g, DType::kF32, 1);
      if (offsets == nullptr) continue;
      const int zero = module_->zeros[static_cast<size_t>(g * outputs + row)];
      offsets[g] = -scales[g] * static_cast<float>(zero);
    }
  }

 private:
  Packing packing_;
  std::unique_ptr<const Module> module_;
};

class UnpackedSource final : public WeightSource {
 public:
  explicit UnpackedSource(std::shared_ptr<const WeightSource> source)
      : source_(std::move(source)) {}

  void add(const std::string& module, std::unique_ptr<PackedRows> rows) {
    rows_[module + std::string(kWeight)] = std::move(rows);
  }

  bool has(std::string_view name) const override {
    return rows_.find(name) != rows_.end() || (!is_part(name) && source_->has(name));
  }
  Result<TensorView> tensor(std::string_view name) const override {
    if (const auto found = rows_.find(name); found != rows_.end()) return found->second->view();
    if (!is_part(name)) return source_->tensor(name);
    return not_found_error("no tensor \"{}\"{}", name, nearest_name_hint(name, names()));
  }
  std::vector<std::string> names() const override {
    std::vector<std::string> names;
    for (std::string& name : source_->names()) {
      if (!is_part(name)) names.push_back(std::move(name));
    }
    for (const auto& named : rows_) names.push_back(named.first);
    return names;
  }

  void drop_pages() const override { source_->drop_pages(); }

 private:
  // Whether it is one of the tensors that a matrix is made of.
  bool is_part(std::string_view name) const {
    return std::any_of(std::begin(kSuffixes), std::end(kSuffixes), [&](std::string_view suffix) {
      if (!name.ends_with(suffix)) return false;
      const std::string module(name.substr(0, name.size() - suffix.size()));
      return rows_.find(module + std::string(kWeight)) != rows_.end();
    });
  }

  std::shared_ptr<const WeightSource> source_;
  std::map<std::string, std::unique_ptr<PackedRows>, std::less<>> rows_;
};

// ------------------------------------------------------------------ the config

Result<Packing> read_packing(const json::object& config) {
  WDE_ASSIGN_OR_RETURN(const std::string method, json::get_string(config, "quant_method", ""));
  Packing packing;
  packing.awq = method == "awq";
  if (!packing.awq && method != "gptq") {
    return unsupported_error("\"quant_method\": \"{}\"; known: gptq, awq", method);
  }
  WDE_ASSIGN_OR_RETURN(const int64_t bits, json::get_int(config, "bits", 0));
  if (bits != 4 && (bits != 8 || packing.awq)) {
    return unsupported_error("\"bits\": {}; {} with {} are read", bits, method,
                             packing.awq ? "4 bits" : "4 and 8 bits");
  }
  packing.bits = static_cast<int>(bits);
  WDE_ASSIGN_OR_RETURN(packing.group_size, json::get_int(config, "group_size", 128));
  if (packing.group_size != -1 && packing.group_size < 1)
    return data_loss_error("\"group_size\": {}", packing.group_size);
  if (packing.awq) {
    WDE_ASSIGN_OR_RETURN(const std::string version, json::get_string(config, "version", "gemm"));
    std::string lower = version;
    std::transform(lower.begin(), lower.end(), lower.begin(),
                   [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
    if (lower != "gemm") return unsupported_error("\"version\": \"{}\"; known: gemm", version);
    WDE_ASSIGN_OR_RETURN(const bool zeros, json::get_bool(config, "zero_point", true));
    if (!zeros) return unsupported_error("\"zero_point\": false with awq");
    return packing;
  }
  if (const json::value* dynamic = config.if_contains("dynamic");
      dynamic != nullptr && dynamic->is_object() && !dynamic->get_object().empty()) {
    return unsupported_error("\"dynamic\": modules with settings of their own");
  }
  WDE_ASSIGN_OR_RETURN(const std::string format,
                       json::get_string(config, "checkpoint_format", "gptq"));
  if (format != "gptq" && format != "gptq_v2") {
    return unsupported_error("\"checkpoint_format\": \"{}\"; known: gptq, gptq_v2", format);
  }
  packing.zeros_less_one = format == "gptq";
  return packing;
}

// ------------------------------------------------------------------ one module

Result<TensorView> find_part(const WeightSource& source, const std::string& module,
                             std::string_view suffix, std::optional<DType> dtype, int rank) {
  const std::string name = module + std::string(suffix);
  Result<TensorView> view = source.tensor(name);
  if (!view.ok()) return view;
  const bool is_float =
      view->dtype == DType::kF32 || view->dtype == DType::kBF16 || view->dtype == DType::kF16;
  if (view->shape.rank() != rank || (dtype ? view->dtype != *dtype : !is_float)) {
    return data_loss_error("tensor \"{}\" is {} {}; expected {} dimensions of {}", name,
                           dtype_name(view->dtype), view->shape.to_string(), rank,
                           dtype ? dtype_name(*dtype) : "a floating-point type");
  }
  return view;
}

Status wrong_shape(const std::string& module, std::string_view suffix, const TensorView& view,
                   const Shape& expected) {
  return data_loss_error("tensor \"{}{}\" has shape {}; expected {}", module, suffix,
                         view.shape.to_string(), expected.to_string());
}

// The groups of inputs: empty where neighbours share theirs as the group's size says.
Result<std::vector<int32_t>> read_groups(const WeightSource& source, const std::string& module,
                                         int64_t inputs, int64_t groups, int64_t group_size) {
  std::vector<int32_t> group_of;
  if (!source.has(module + ".g_idx")) return group_of;
  WDE_ASSIGN_OR_RETURN(const TensorView view, find_part(source, module, ".g_idx", DType::kI32, 1));
  if (view.rows() != inputs) return wrong_shape(module, ".g_idx", view, {inputs});
  bool plain = true;
  for (int64_t k = 0; k < inputs; ++k) {
    const auto group = static_cast<int32_t>(load_word(view, 0, k));
    if (group < 0 || group >= groups) {
      return data_loss_error("tensor \"{}.g_idx\": input {} is of group {} of {}", module, k, group,
                             groups);
    }
    plain = plain && group == k / group_size;
    group_of.push_back(group);
  }
  if (plain) group_of.clear();
  return group_of;
}

Result<std::unique_ptr<PackedRows>> read_module(const WeightSource& source, const Packing& packing,
                                                const std::string& name) {
  auto module = std::make_unique<Module>();
  const int64_t per_word = packing.codes_per_word();
  WDE_ASSIGN_OR_RETURN(module->codes, find_part(source, name, ".qweight", DType::kI32, 2));
  WDE_ASSIGN_OR_RETURN(module->scales, find_part(source, name, ".scales", std::nullopt, 2));
  WDE_ASSIGN_OR_RETURN(const TensorView zeros, find_part(source, name, ".qzeros", DType::kI32, 2));
  const Shape& stored = module->codes.shape;
  if (stored[0] > INT32_MAX || stored[1] > INT32_MAX)
    return data_loss_error("tensor \"{}.qweight\" has shape {}", name, stored.to_string());
  const int64_t inputs = packing.awq ? stored[0] : stored[0] * per_word;
  const int64_t outputs = packing.awq ? stored[1] * per_word : stored[1];
  const int64_t group_size = packing.group_size == -1 ? inputs : packing.group_size;
  if (inputs == 0 || outputs == 0 || outputs % per_word != 0) {
    return data_loss_error("tensor \"{}.qweight\" has shape {}", name, stored.to_string());
  }
  const int64_t groups = (inputs + group_size - 1) / group_size;
  if (!(module->scales.shape == Shape{groups, outputs}))
    return wrong_shape(name, ".scales", module->scales, {groups, outputs});
  if (!(zeros.shape == Shape{groups, outputs / per_word}))
    return wrong_shape(name, ".qzeros", zeros, {groups, outputs / per_word});
  WDE_ASSIGN_OR_RETURN(module->group_of, read_groups(source, name, inputs, groups, group_size));

  CodeLayout layout{.bits = packing.bits,
                    .groups = groups,
                    .group_size = group_size,
                    .zero_code = 1 << (packing.bits - 1),
                    .group_of = module->group_of};
  for (int64_t g = 0; g < groups; ++g) {
    for (int64_t n = 0; n < outputs; ++n) {
      // One more than the largest code wraps round, as it does where it is written.
      int zero = code_at(packing, zeros, g, n) + (packing.zeros_less_one ? 1 : 0);
      zero &= (1 << packing.bits) - 1;
      if (layout.zero_code && zero != *layout.zero_code) layout.zero_code.reset();
      module->zeros.push_back(static_cast<uint8_t>(zero));
    }
  }
  if (layout.zero_code) module->zeros = {};
  const Shape shape{outputs, inputs};
  return std::make_unique<PackedRows>(shape, layout, packing, std::move(module));
}

}  // namespace

Result<std::shared_ptr<const WeightSource>> unpack_quantized(
    std::shared_ptr<const WeightSource> source, const json::object& config) {
  WDE_ASSIGN_OR_RETURN(const json::object* quantization,
                       json::get_object(config, "quantization_config"));
  if (quantization == nullptr) return source;
  const Result<Packing> packing = read_packing(*quantization);
  if (!packing.ok()) return packing.status().with_context("\"quantization_config\"");
  auto unpacked = std::make_shared<UnpackedSource>(source);
  constexpr std::string_view kCodes = kSuffixes[0];
  for (const std::string& name : source->names()) {
    if (!name.ends_with(kCodes)) continue;
    const std::string module = name.substr(0, name.size() - kCodes.size());
    WDE_ASSIGN_OR_RETURN(auto rows, read_module(*source, *packing, module));
    unpacked->add(module, std::move(rows));
  }
  return std::shared_ptr<const WeightSource>(std::move(unpacked));
}

}  // namespace wde::checkpoint
