// open_weights: which of a folder's files hold the weights, and several shards as one source.
#include <algorithm>
#include <map>
#include <set>

#include "base/file.h"
#include "base/json.h"
#include "base/nearest_name.h"
#include "checkpoint/conversion_hint.h"
#include "checkpoint/model_folder.h"
#include "checkpoint/relative_path.h"
#include "checkpoint/safetensors.h"
#include "checkpoint/torch_file.h"

namespace wde::checkpoint {
namespace {

constexpr size_t kMaxIndexBytes = size_t{100} << 20;
constexpr size_t kMaxShards = 10000;

using ShardPointer = std::shared_ptr<const WeightSource>;
using OpenFile = Result<ShardPointer> (*)(const std::string& path);

// What open_weights looks for, in this order.
struct WeightsName {
  std::string_view name;
  bool index = false;  // JSON that names shards
  OpenFile open;       // the file, or each shard
};

constexpr WeightsName kWeightsNames[] = {
    {"model.safetensors", false, &open_safetensors},
    {"model.safetensors.index.json", true, &open_safetensors},
    {"pytorch_model.bin", false, &open_torch_file},
    {"pytorch_model.bin.index.json", true, &open_torch_file},
};

class ShardedSource final : public WeightSource {
 public:
  // `shards`: each tensor's shard. Every tensor is in its shard.
  ShardedSource(std::string label, std::map<std::string, ShardPointer, std::less<>> shards)
      : label_(std::move(label)), shards_(std::move(shards)) {}

  bool has(std::string_view name) const override { return shards_.find(name) != shards_.end(); }

  Result<TensorView> tensor(std::string_view name) const override {
    const auto found = shards_.find(name);
    if (found != shards_.end()) return found->second->tensor(name);
    return not_found_error("{}: no tensor \"{}\"{}", label_, name,
                           nearest_name_hint(name, names()));
  }

  std::vector<std::string> names() const override {
    std::vector<std::string> names;
    names.reserve(shards_.size());
    for (const auto& named : shards_) names.push_back(named.first);
    return names;
  }

  void drop_pages() const override {
    std::set<const WeightSource*> dropped;
    for (const auto& [name, shard] : shards_) {
      if (dropped.insert(shard.get()).second) shard->drop_pages();
    }
  }

 private:
  std::string label_;
  std::map<std::string, ShardPointer, std::less<>> shards_;
};

// Tensor name to shard file name.
Result<std::map<std::string, std::string>> read_weight_map(const std::string& index_path) {
  WDE_ASSIGN_OR_RETURN(const json::value index, json::parse_file(index_path, kMaxIndexBytes));
  const json::object* root = index.if_object();
  if (root == nullptr) return data_loss_error("{}: must be a JSON object", index_path);
  Result<const json::object*> weight_map = json::get_object(*root, "weight_map");
  if (!weight_map.ok()) return weight_map.status().with_context(index_path);
  if (*weight_map == nullptr) return data_loss_error("{}: \"weight_map\" is missing", index_path);
  std::map<std::string, std::string> files;
  for (const auto& member : **weight_map) {
    const auto* file = member.value().if_string();
    if (file == nullptr || !is_inside_path(*file)) {
      return data_loss_error("{}: tensor \"{}\" must name a shard file inside the folder",
                             index_path, std::string_view(member.key()));
    }
    files.emplace(member.key(), *file);
  }
  return files;
}

Result<std::map<std::string, ShardPointer>> open_shards(
    const std::string& folder, const std::string& index_path,
    const std::map<std::string, std::string>& files, OpenFile open) {
  std::map<std::string, ShardPointer> opened;
  for (const auto& [tensor, file] : files) {
    if (opened.count(file) != 0) continue;
    if (opened.size() == kMaxShards)
      return data_loss_error("{}: more than {} shards", index_path, kMaxShards);
    const std::string path = folder + "/" + file;
    if (!file_exists(path)) {
      return not_found_error("{}: the shard {} that it names is missing", index_path, file);
    }
    WDE_ASSIGN_OR_RETURN(opened[file], open(path));
  }
  return opened;
}

Result<ShardPointer> open_sharded(const std::string& folder, const std::string& index_path,
                                  OpenFile open) {
  WDE_ASSIGN_OR_RETURN(const auto files, read_weight_map(index_path));
  WDE_ASSIGN_OR_RETURN(const auto opened, open_shards(folder, index_path, files, open));
  std::map<std::string, ShardPointer, std::less<>> shards;
  for (const auto& [tensor, file] : files) {
    const ShardPointer& shard = opened.at(file);
    if (!shard->has(tensor)) {
      return data_loss_error("{}: tensor \"{}\" is not in {}, where the index puts it", index_path,
                             tensor, file);
    }
    shards.emplace(tensor, shard);
  }
  return ShardPointer(std::make_shared<ShardedSource>(index_path, std::move(shards)));
}

}  // namespace

bool has_weights(const std::string& folder) {
  return std::any_of(std::begin(kWeightsNames), std::end(kWeightsNames),
                     [&](const WeightsName& known) {
                       return file_exists(folder + "/" + std::string(known.name));
                     });
}

Result<std::shared_ptr<const WeightSource>> open_weights(const std::string& folder) {
  for (const WeightsName& known : kWeightsNames) {
    const std::string path = folder + "/" + std::string(known.name);
    if (!file_exists(path)) continue;
    Result<ShardPointer> weights =
        known.index ? open_sharded(folder, path, known.open) : known.open(path);
    const Status status = weights.status();
    // What torch_file does not read, torch itself may.
    if (known.open != &open_torch_file || status.code() != StatusCode::kUnsupported) return weights;
    return unsupported_error("{}. {}", status.message(), conversion_hint(folder));
  }
  return not_found_error(
      "{}: no weights (none of model.safetensors, pytorch_model.bin, or an index of their shards)",
      folder);
}

}  // namespace wde::checkpoint
