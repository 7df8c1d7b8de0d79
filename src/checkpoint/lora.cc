#include "checkpoint/lora.h"

#include <algorithm>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "base/file.h"
#include "base/nearest_name.h"
#include "checkpoint/lora_config.h"
#include "checkpoint/lora_layout.h"
#include "checkpoint/safetensors.h"
#include "checkpoint/torch_file.h"
#include "tensor/computed_rows.h"

namespace wde::checkpoint {
namespace {

constexpr std::string_view kPrefix = "base_model.model.";

// One module's A [r, in] and B [out, r].
struct Pair {
  TensorView down, up;
  std::string down_name, up_name;
  bool embedding = false;  // A is [r, tokens], B [columns, r]; the matrix is [tokens, columns]

  // Whether B A, or where the matrix is stored `transposed` its transpose, has this shape.
  bool fits(const Shape& matrix, bool transposed) const {
    const int64_t out = up.rows(), in = down.row_elements();
    return up.row_elements() == down.rows() &&
           matrix == (transposed ? Shape{in, out} : Shape{out, in});
  }
};

struct Adapter {
  std::map<std::string, Pair> pairs;         // by module
  std::map<std::string, std::string> whole;  // tensors to replace or add: name, name in the file
};

// What merging one matrix needs in f32, with W' = W + left * right.
struct Factors {
  std::vector<float> left;   // [rows, r], scaled
  std::vector<float> right;  // [r, columns]
};

// The factors of the matrix that was read last: matrices are read one after the other, and a large
// model's factors together would take memory for nothing. Thread-safe.
class RecentFactors {
 public:
  std::shared_ptr<const Factors> get(const void* owner, const std::function<Factors()>& make) {
    const std::lock_guard lock(mutex_);
    if (owner_ != owner) {
      factors_ = std::make_shared<const Factors>(make());
      owner_ = owner;
    }
    return factors_;
  }
  void drop() {
    const std::lock_guard lock(mutex_);
    owner_ = nullptr;
    factors_.reset();
  }

 private:
  std::mutex mutex_;
  const void* owner_ = nullptr;
  std::shared_ptr<const Factors> factors_;
};

std::vector<float> as_f32(const TensorView& view) {
  std::vector<float> values(static_cast<size_t>(view.shape.elements()));
  read_f32(view, values.data());
  return values;
}

// [rows, columns] to [columns, rows].
std::vector<float> transpose(const std::vector<float>& matrix, size_t rows) {
  const size_t columns = matrix.size() / rows;
  std::vector<float> transposed(matrix.size());
  for (size_t r = 0; r < rows; ++r) {
    for (size_t c = 0; c < columns; ++c) transposed[c * rows + r] = matrix[r * columns + c];
  }
  return transposed;
}

class MergedRows final : public ComputedRows {
 public:
  // Rows of the matrix are inputs where it is `transposed`, else outputs.
  MergedRows(const TensorView& base, const Pair& pair, double scale, bool transposed,
             RecentFactors* recent)
      : ComputedRows(base.shape),
        base_(base),
        down_(pair.down),
        up_(pair.up),
        scale_(static_cast<float>(scale)),
        transposed_(transposed),
        recent_(recent) {}

  void read_row(int64_t row, float* to) const override {
    read_f32(base_.slice_rows(row, 1), to);
    const auto factors = recent_->get(this, [&] { return make_factors(); });
    const auto rank = static_cast<size_t>(down_.rows());
    const auto columns = static_cast<size_t>(base_.row_elements());
    const float* left = factors->left.data() + static_cast<size_t>(row) * rank;
    for (size_t j = 0; j < rank; ++j) {
      const float* right = factors->right.data() + j * columns;
      for (size_t c = 0; c < columns; ++c) to[c] += left[j] * right[c];
    }
  }

 private:
  Factors make_factors() const {
    const auto rank = static_cast<size_t>(down_.rows());
    Factors factors;
    if (transposed_) {
      factors = {transpose(as_f32(down_), rank),
                 transpose(as_f32(up_), static_cast<size_t>(up_.rows()))};
    } else {
      factors = {as_f32(up_), as_f32(down_)};
    }
    for (float& value : factors.left) value *= scale_;
    return factors;
  }

  TensorView base_, down_, up_;
  float scale_;
  bool transposed_;
  RecentFactors* recent_;
};

class MergedSource final : public WeightSource {
 public:
  MergedSource(std::shared_ptr<const WeightSource> base,
               std::shared_ptr<const WeightSource> adapter)
      : base_(std::move(base)), adapter_(std::move(adapter)) {}

  Status merge(const std::string& name, const Pair& pair, double scale, bool transposed) {
    const auto whole = whole_.find(name);
    WDE_ASSIGN_OR_RETURN(const TensorView base, whole == whole_.end()
                                                    ? base_->tensor(name)
                                                    : adapter_->tensor(whole->second));
    if (!pair.fits(base.shape, transposed)) {
      return data_loss_error("tensors \"{}\" {} and \"{}\" {} do not fit \"{}\" {} of the model{}",
                             pair.down_name, pair.down.shape.to_string(), pair.up_name,
                             pair.up.shape.to_string(), name, base.shape.to_string(),
                             pair.embedding || !pair.fits(base.shape, !transposed) ? ""
                             : transposed
                                 ? ", which is stored [out, in] against \"fan_in_fan_out\": true"
                                 : ", which is stored [in, out] against \"fan_in_fan_out\": false");
    }
    if (!pair.embedding)
      WDE_RETURN_IF_ERROR(check_layout(unchanged(), name, base.shape, transposed));
    merged_[name] = std::make_unique<MergedRows>(base, pair, scale, transposed, &recent_);
    return {};
  }
  // Before merge(), which adds to what is there.
  void replace(const std::string& name, const std::string& in_adapter) {
    whole_[name] = in_adapter;
  }

  bool has(std::string_view name) const override {
    return whole_.find(name) != whole_.end() || base_->has(name);
  }
  Result<TensorView> tensor(std::string_view name) const override {
    note(name);
    if (const auto found = merged_.find(name); found != merged_.end()) return found->second->view();
    if (const auto found = whole_.find(name); found != whole_.end())
      return adapter_->tensor(found->second);
    return base_->tensor(name);
  }
  std::vector<std::string> names() const override {
    std::vector<std::string> names = base_->names();
    for (const auto& [name, in_adapter] : whole_) {
      if (!base_->has(name)) names.push_back(name);
    }
    return names;
  }
  const WeightSource& unchanged() const override { return base_->unchanged(); }
  std::vector<AdapterTensor> unread_changes() const override {
    std::vector<AdapterTensor> unread = base_->unread_changes();
    const std::lock_guard lock(mutex_);
    const auto add = [&](const auto& changes) {
      for (const auto& [name, change] : changes) {
        if (read_.find(name) == read_.end())
          unread.push_back({.name = name, .brought = !base_->has(name)});
      }
    };
    add(merged_);
    add(whole_);
    return unread;
  }

  void drop_pages() const override {
    recent_.drop();
    base_->drop_pages();
    adapter_->drop_pages();
  }

 private:
  void note(std::string_view name) const {
    const std::lock_guard lock(mutex_);
    read_.emplace(name);
  }

  std::shared_ptr<const WeightSource> base_, adapter_;
  mutable RecentFactors recent_;
  std::map<std::string, std::unique_ptr<MergedRows>, std::less<>> merged_;
  std::map<std::string, std::string, std::less<>> whole_;
  mutable std::mutex mutex_;
  mutable std::set<std::string, std::less<>> read_;
};

// ------------------------------------------------------------------ what an adapter's file holds

std::string_view module_of(std::string_view name) {
  return name.substr(0, std::min(name.find_last_of('.'), name.size()));
}

// Without the components that PEFT puts into names of modules that it wraps.
std::string unwrapped(std::string_view name) {
  std::string plain(name);
  for (const std::string_view part : {".modules_to_save.", ".base_layer."}) {
    if (const size_t at = plain.find(part); at != std::string::npos)
      plain.replace(at, part.size(), ".");
  }
  return plain;
}

// Tensors may come whole: modules that the config lists, trained biases, and embeddings, which PEFT
// saves when their number has changed.
bool may_be_whole(const LoraConfig& config, std::string_view name) {
  const std::string_view module = module_of(name);
  if (config.saves(module)) return true;
  if (config.trains_biases && name.ends_with(".bias")) return true;
  const std::string_view last = module.substr(module.find_last_of('.') + 1);
  return last == "embed_tokens" || last == "lm_head";
}

Status add_tensor(const WeightSource& file, const LoraConfig& config, const std::string& in_file,
                  Adapter* adapter) {
  if (!in_file.starts_with(kPrefix)) {
    return data_loss_error("tensor \"{}\" does not begin with \"{}\"", in_file, kPrefix);
  }
  const std::string name = in_file.substr(kPrefix.size());
  struct Half {
    std::string_view ending;
    bool up, embedding;
  };
  constexpr Half kHalves[] = {{".lora_A.weight", false, false},
                              {".lora_B.weight", true, false},
                              {".lora_embedding_A", false, true},
                              {".lora_embedding_B", true, true}};
  for (const Half& half : kHalves) {
    if (!name.ends_with(half.ending)) continue;
    WDE_ASSIGN_OR_RETURN(const TensorView view, file.tensor(in_file));
    const bool is_float =
        view.dtype == DType::kF32 || view.dtype == DType::kBF16 || view.dtype == DType::kF16;
    if (view.shape.rank() != 2 || !is_float) {
      return data_loss_error("tensor \"{}\" is {} {}; expected a floating-point matrix", in_file,
                             dtype_name(view.dtype), view.shape.to_string());
    }
    Pair& pair = adapter->pairs[name.substr(0, name.size() - half.ending.size())];
    if (half.embedding != pair.embedding && (pair.down.data != nullptr || pair.up.data != nullptr))
      return data_loss_error("tensor \"{}\" beside one of another kind of layer", in_file);
    pair.embedding = half.embedding;
    (half.up ? pair.up : pair.down) = view;
    (half.up ? pair.up_name : pair.down_name) = in_file;
    return {};
  }
  if (name.find("lora_magnitude_vector") != std::string::npos) {
    return unsupported_error("tensor \"{}\": DoRA is not merged here", in_file);
  }
  if (name.find(".lora_") != std::string::npos) {
    return unsupported_error("tensor \"{}\" is no part of a LoRA that is merged here", in_file);
  }
  const std::string plain = unwrapped(name);
  if (!may_be_whole(config, plain)) {
    return data_loss_error("tensor \"{}\" is of no LoRA and of none of \"modules_to_save\"",
                           in_file);
  }
  adapter->whole[plain] = in_file;
  return {};
}

Result<Adapter> sort_tensors(const WeightSource& file, const LoraConfig& config) {
  Adapter adapter;
  for (const std::string& name : file.names()) {
    WDE_RETURN_IF_ERROR(add_tensor(file, config, name, &adapter));
  }
  if (adapter.pairs.empty() && adapter.whole.empty()) return data_loss_error("no tensors");
  for (const auto& [module, pair] : adapter.pairs) {
    if (pair.down.data == nullptr || pair.up.data == nullptr) {
      return data_loss_error("tensor \"{}\" without its other half",
                             pair.down.data == nullptr ? pair.up_name : pair.down_name);
    }
    if (pair.down.rows() != config.rank_of(module)) {
      return data_loss_error("tensor \"{}\" has rank {}; {} says {}", pair.down_name,
                             pair.down.rows(), kAdapterConfigName, config.rank_of(module));
    }
  }
  return adapter;
}

// ------------------------------------------------------------------ names

// How names of the adapter become the checkpoint's: a leading component less or more.
struct Renaming {
  std::string dropped, added;

  std::optional<std::string> operator()(const std::string& name) const {
    if (!name.starts_with(dropped)) return std::nullopt;
    return added + name.substr(dropped.size());
  }
};

std::string first_component(std::string_view name) {
  const size_t dot = name.find('.');
  return dot == std::string_view::npos ? "" : std::string(name.substr(0, dot + 1));
}

bool fits(const Renaming& renaming, const Adapter& adapter, const WeightSource& base) {
  return std::all_of(adapter.pairs.begin(), adapter.pairs.end(), [&](const auto& named) {
    const auto name = renaming(named.first + ".weight");
    return name && base.has(*name);
  });
}

// Errors: kDataLoss, naming a module that the model lacks.
Result<Renaming> find_renaming(const Adapter& adapter, const WeightSource& base) {
  if (adapter.pairs.empty()) return Renaming{};
  const std::vector<std::string> names = base.names();
  std::vector<Renaming> tried = {{}, {first_component(adapter.pairs.begin()->first), ""}};
  std::set<std::string> prefixes;
  for (const std::string& name : names) prefixes.insert(first_component(name));
  for (const std::string& prefix : prefixes) tried.push_back({"", prefix});
  for (const Renaming& renaming : tried) {
    if (fits(renaming, adapter, base)) return renaming;
  }
  for (const auto& [module, pair] : adapter.pairs) {
    const std::string name = module + ".weight";
    if (base.has(name)) continue;
    return data_loss_error("tensor \"{}\" is for \"{}\", which the model does not have{}",
                           pair.down_name, name, nearest_name_hint(name, names));
  }
  return data_loss_error("its modules are not the model's");
}

Status replace_whole(const Adapter& adapter, const Renaming& renaming, const WeightSource& base,
                     const WeightSource& file, MergedSource* merged) {
  for (const auto& [name, in_file] : adapter.whole) {
    const auto renamed = renaming(name);
    const std::string& placed = renamed && base.has(*renamed) ? *renamed : name;
    if (base.has(placed) && !placed.ends_with("embed_tokens.weight") &&
        !placed.ends_with("lm_head.weight")) {
      WDE_ASSIGN_OR_RETURN(const TensorView old, base.tensor(placed));
      WDE_ASSIGN_OR_RETURN(const TensorView view, file.tensor(in_file));
      if (!(old.shape == view.shape)) {
        return data_loss_error("tensor \"{}\" {} does not fit \"{}\" {} of the model", in_file,
                               view.shape.to_string(), placed, old.shape.to_string());
      }
    }
    merged->replace(placed, in_file);
  }
  return {};
}

Result<std::shared_ptr<const WeightSource>> open_adapter(const std::string& folder,
                                                         std::string* path) {
  *path = folder + "/adapter_model.safetensors";
  if (file_exists(*path)) return open_safetensors(*path);
  *path = folder + "/adapter_model.bin";
  if (file_exists(*path)) return open_torch_file(*path);
  return not_found_error("{}: neither adapter_model.safetensors nor adapter_model.bin", folder);
}

}  // namespace

Result<std::shared_ptr<const WeightSource>> merge_lora(std::shared_ptr<const WeightSource> base,
                                                       const std::string& folder) {
  WDE_ASSIGN_OR_RETURN(const LoraConfig config, read_lora_config(folder));
  std::string path;
  WDE_ASSIGN_OR_RETURN(const auto file, open_adapter(folder, &path));
  const Result<Adapter> adapter = sort_tensors(*file, config);
  if (!adapter.ok()) return adapter.status().with_context(path);
  const Result<Renaming> renaming = find_renaming(*adapter, *base);
  if (!renaming.ok()) return renaming.status().with_context(path);
  auto merged = std::make_shared<MergedSource>(base, file);
  WDE_RETURN_IF_ERROR(
      replace_whole(*adapter, *renaming, *base, *file, merged.get()).with_context(path));
  for (const auto& [module, pair] : adapter->pairs) {
    const std::string name = *(*renaming)(module + ".weight");
    const bool transposed = pair.embedding || config.fan_in_fan_out;
    WDE_RETURN_IF_ERROR(
        merged->merge(name, pair, config.scale_of(module), transposed).with_context(path));
  }
  return std::shared_ptr<const WeightSource>(std::move(merged));
}

}  // namespace wde::checkpoint
