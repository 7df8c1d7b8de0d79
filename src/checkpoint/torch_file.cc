#include "checkpoint/torch_file.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "base/file.h"
#include "base/nearest_name.h"
#include "checkpoint/pickle.h"
#include "checkpoint/zip_archive.h"

namespace wde::checkpoint {
namespace {

constexpr std::string_view kRebuildTensor = "torch._utils._rebuild_tensor_v2";
constexpr std::string_view kRebuildParameter = "torch._utils._rebuild_parameter";
constexpr std::string_view kPickleName = "/data.pkl";
constexpr size_t kMaxRank = 64;  // torch's own

struct StorageType {
  std::string_view name;
  size_t element_bytes;
  std::optional<DType> dtype;  // absent: the bytes are checked, the tensor can't be asked for
};

constexpr auto kStorageTypes = std::to_array<StorageType>({
    {"torch.FloatStorage", 4, DType::kF32},
    {"torch.BFloat16Storage", 2, DType::kBF16},
    {"torch.HalfStorage", 2, DType::kF16},
    {"torch.LongStorage", 8, DType::kI64},
    {"torch.IntStorage", 4, DType::kI32},
    {"torch.CharStorage", 1, DType::kI8},
    {"torch.ByteStorage", 1, DType::kU8},
    {"torch.DoubleStorage", 8, std::nullopt},
    {"torch.ShortStorage", 2, std::nullopt},
    {"torch.BoolStorage", 1, std::nullopt},
});

std::vector<std::string_view> known_globals() {
  std::vector<std::string_view> names = {kRebuildTensor, kRebuildParameter};
  for (const StorageType& type : kStorageTypes) names.push_back(type.name);
  return names;
}

// One name of the state dict.
struct Entry {
  std::string refusal;  // why it can't be asked for; empty: it can
  TensorView view;
};

struct StateDict {
  std::map<std::string, Entry, std::less<>> entries;
  std::vector<std::unique_ptr<std::byte[]>> copies;  // of tensors with strides of their own
};

struct Storage {
  StorageType type;
  std::span<const std::byte> bytes;
};

struct Geometry {
  int64_t offset = 0;  // in elements, as the strides
  std::vector<int64_t> sizes;
  std::vector<int64_t> strides;
};

bool is_kind(const PickleNode* node, PickleKind kind) { return node->kind == kind; }

// The arguments of a call or the parts of a persistent id.
const std::vector<const PickleNode*>& arguments(const PickleNode& node) {
  return node.items.front()->items;
}

Result<std::vector<int64_t>> read_naturals(const PickleNode& tuple) {
  if (tuple.items.size() > kMaxRank) {
    return data_loss_error("{} dimensions; torch has up to {}", tuple.items.size(), kMaxRank);
  }
  std::vector<int64_t> numbers;
  for (const PickleNode* item : tuple.items) {
    if (!is_kind(item, PickleKind::kInt) || item->integer < 0) {
      return data_loss_error("its sizes and strides must be whole numbers from 0 on");
    }
    numbers.push_back(item->integer);
  }
  return numbers;
}

// Elements of the sizes; nothing on overflow.
std::optional<int64_t> count_elements(const std::vector<int64_t>& sizes) {
  if (std::find(sizes.begin(), sizes.end(), 0) != sizes.end()) return 0;
  int64_t elements = 1;
  for (const int64_t size : sizes) {
    if (__builtin_mul_overflow(elements, size, &elements)) return std::nullopt;
  }
  return elements;
}

// One past the last element that is reached, from the storage's begin; nothing on overflow.
std::optional<int64_t> end_element(const Geometry& geometry) {
  int64_t last = geometry.offset;
  for (size_t axis = 0; axis < geometry.sizes.size(); ++axis) {
    int64_t reach = 0;
    if (__builtin_mul_overflow(geometry.sizes[axis] - 1, geometry.strides[axis], &reach) ||
        __builtin_add_overflow(last, reach, &last)) {
      return std::nullopt;
    }
  }
  return last < INT64_MAX ? std::optional(last + 1) : std::nullopt;
}

bool is_contiguous(const Geometry& geometry) {
  int64_t expected = 1;
  for (size_t axis = geometry.sizes.size(); axis-- > 0;) {
    if (geometry.sizes[axis] != 1 && geometry.strides[axis] != expected) return false;
    expected *= geometry.sizes[axis];
  }
  return true;
}

// Row-major elements of a tensor of any strides within `source`.
void copy_in_order(const Geometry& geometry, size_t element_bytes, const std::byte* source,
                   std::byte* destination, int64_t elements) {
  std::vector<int64_t> index(geometry.sizes.size(), 0);
  int64_t at = geometry.offset;
  for (int64_t done = 0; done < elements; ++done) {
    std::memcpy(destination + static_cast<size_t>(done) * element_bytes,
                source + static_cast<size_t>(at) * element_bytes, element_bytes);
    for (size_t axis = index.size(); axis-- > 0;) {
      at += geometry.strides[axis];
      if (++index[axis] < geometry.sizes[axis]) break;
      at -= geometry.strides[axis] * geometry.sizes[axis];
      index[axis] = 0;
    }
  }
}

// From the archive's files and the pickle's nodes to tensors.
class StateDictReader {
 public:
  StateDictReader(const ZipFiles& files, std::string prefix, size_t file_bytes)
      : files_(files), prefix_(std::move(prefix)), copy_budget_bytes_(file_bytes) {}

  Result<StateDict> read(const PickleNode& root) {
    if (root.kind != PickleKind::kDict) {
      return unsupported_error("it holds no dict of tensors (not a state dict)");
    }
    for (size_t i = 0; i < root.items.size(); i += 2) {
      const PickleNode& key = *root.items[i];
      if (key.kind != PickleKind::kString) {
        return unsupported_error("the keys of its dict must be names");
      }
      Result<Entry> entry = read_value(*root.items[i + 1]);
      if (!entry.ok()) {
        return entry.status().with_context(fmt::format("tensor \"{}\"", key.text));
      }
      dict_.entries.insert_or_assign(std::string(key.text), *entry);
    }
    return std::move(dict_);
  }

 private:
  Result<Entry> read_value(const PickleNode& value) {
    const PickleNode* tensor = &value;
    if (value.kind == PickleKind::kCall && value.text == kRebuildParameter) {
      if (arguments(value).empty()) return data_loss_error("a parameter without its data");
      tensor = arguments(value).front();
    }
    if (tensor->kind == PickleKind::kCall && tensor->text == kRebuildTensor) {
      return read_tensor(arguments(*tensor));
    }
    return Entry{.refusal = "is not a tensor"};
  }

  // storage, offset, sizes, strides, requires_grad, hooks.
  Result<Entry> read_tensor(const std::vector<const PickleNode*>& fields) {
    if (fields.size() < 4 || !is_kind(fields[0], PickleKind::kPersistent) ||
        !is_kind(fields[1], PickleKind::kInt) || !is_kind(fields[2], PickleKind::kTuple) ||
        !is_kind(fields[3], PickleKind::kTuple)) {
      return data_loss_error("it must be made of a storage, an offset, sizes and strides");
    }
    WDE_ASSIGN_OR_RETURN(const Storage storage, read_storage(arguments(*fields[0])));
    Geometry geometry{.offset = fields[1]->integer};
    WDE_ASSIGN_OR_RETURN(geometry.sizes, read_naturals(*fields[2]));
    WDE_ASSIGN_OR_RETURN(geometry.strides, read_naturals(*fields[3]));
    if (geometry.offset < 0 || geometry.sizes.size() != geometry.strides.size()) {
      return data_loss_error("offset {}, {} sizes and {} strides", geometry.offset,
                             geometry.sizes.size(), geometry.strides.size());
    }
    return make_entry(storage, geometry);
  }

  // "storage", type, key, location, elements.
  Result<Storage> read_storage(const std::vector<const PickleNode*>& id) const {
    if (id.size() != 5 || id[0]->text != "storage" || !is_kind(id[1], PickleKind::kGlobal) ||
        !is_kind(id[2], PickleKind::kString) || !is_kind(id[4], PickleKind::kInt)) {
      return data_loss_error("its storage must be (\"storage\", type, key, location, elements)");
    }
    const auto* type =
        std::find_if(kStorageTypes.begin(), kStorageTypes.end(),
                     [&](const StorageType& known) { return known.name == id[1]->text; });
    if (type == kStorageTypes.end()) {
      return data_loss_error("{} is no type of storage", id[1]->text);
    }
    const std::string name = prefix_ + "/data/" + std::string(id[2]->text);
    const auto found = files_.find(name);
    if (found == files_.end()) return data_loss_error("{} is not in the archive", name);
    if (found->second.compressed) {
      return unsupported_error("{} is compressed; torch stores it as it is", name);
    }
    const std::span<const std::byte> bytes = found->second.content;
    const int64_t elements = id[4]->integer;
    if (elements < 0 || bytes.size() % type->element_bytes != 0 ||
        bytes.size() / type->element_bytes != static_cast<uint64_t>(elements)) {
      return data_loss_error("{} has {} bytes, but should hold {} elements of {}", name,
                             bytes.size(), elements, type->name);
    }
    return Storage{.type = *type, .bytes = bytes};
  }

  Result<Entry> make_entry(const Storage& storage, const Geometry& geometry) {
    const auto available = static_cast<int64_t>(storage.bytes.size() / storage.type.element_bytes);
    const std::optional<int64_t> elements = count_elements(geometry.sizes);
    const std::optional<int64_t> end =
        elements && *elements == 0 ? std::optional<int64_t>(0) : end_element(geometry);
    if (!elements || !end || *end > available) {
      return data_loss_error("its sizes and strides reach beyond its storage's {} elements",
                             available);
    }
    const std::optional<Shape> shape = Shape::from_dims(geometry.sizes);
    if (!shape) {
      return Entry{.refusal = fmt::format("has {} dimensions; up to {} are supported",
                                          geometry.sizes.size(), Shape::kMaxRank)};
    }
    if (!storage.type.dtype) {
      return Entry{.refusal = fmt::format("is of a {}, which is not supported", storage.type.name)};
    }
    WDE_ASSIGN_OR_RETURN(const std::byte* data, place(storage, geometry, *elements));
    // A view's data is not const because activations share its type; nobody writes to weights, and
    // the map is read-only.
    return Entry{
        .view = TensorView::contiguous(const_cast<std::byte*>(data), *storage.type.dtype, *shape)};
  }

  // Where the tensor's elements lie one after the other.
  Result<const std::byte*> place(const Storage& storage, const Geometry& geometry,
                                 int64_t elements) {
    const size_t element_bytes = storage.type.element_bytes;
    if (elements == 0) return storage.bytes.data();
    if (is_contiguous(geometry)) {
      return storage.bytes.data() + static_cast<size_t>(geometry.offset) * element_bytes;
    }
    // Strides of 0 let a few bytes stand for a tensor of any size.
    if (static_cast<uint64_t>(elements) > copy_budget_bytes_ / element_bytes) {
      return unsupported_error("its strides make {} elements, more than the whole file has",
                               elements);
    }
    const size_t bytes = static_cast<size_t>(elements) * element_bytes;
    copy_budget_bytes_ -= bytes;
    dict_.copies.push_back(std::make_unique<std::byte[]>(bytes));
    copy_in_order(geometry, element_bytes, storage.bytes.data(), dict_.copies.back().get(),
                  elements);
    return dict_.copies.back().get();
  }

  const ZipFiles& files_;
  std::string prefix_;
  size_t copy_budget_bytes_;
  StateDict dict_;
};

// The folder of all records: "archive" of "archive/data.pkl".
Result<std::string> find_prefix(const ZipFiles& files) {
  for (const auto& [name, file] : files) {
    if (!name.ends_with(kPickleName)) continue;
    std::string prefix = name.substr(0, name.size() - kPickleName.size());
    if (prefix.empty() || prefix.find('/') != std::string::npos) continue;
    if (files.count(prefix + "/constants.pkl") != 0) {
      return unsupported_error("a TorchScript program, not a state dict");
    }
    return prefix;
  }
  return data_loss_error("a zip archive without data.pkl (not written by torch.save?)");
}

Status check_byte_order(const ZipFiles& files, const std::string& prefix) {
  const auto found = files.find(prefix + "/byteorder");
  if (found == files.end()) return {};
  if (found->second.compressed) return unsupported_error("{} is compressed", found->first);
  const std::string_view order(reinterpret_cast<const char*>(found->second.content.data()),
                               found->second.content.size());
  if (order == "little") return {};
  return unsupported_error("its byte order is not little-endian");
}

// The format before torch 1.6 is a sequence of pickles, or a tar archive.
Status not_a_zip_error(std::span<const std::byte> bytes) {
  constexpr auto kPickleBegin = std::byte{0x80};
  if (!bytes.empty() && bytes.front() == kPickleBegin) {
    return unsupported_error("written in the format of torch before 1.6, which is not supported");
  }
  return data_loss_error("{} bytes that are no zip archive (not written by torch.save?)",
                         bytes.size());
}

Result<StateDict> read_state_dict(std::span<const std::byte> bytes) {
  if (!looks_like_zip(bytes)) return not_a_zip_error(bytes);
  WDE_ASSIGN_OR_RETURN(const ZipFiles files, read_zip(bytes));
  WDE_ASSIGN_OR_RETURN(std::string prefix, find_prefix(files));
  WDE_RETURN_IF_ERROR(check_byte_order(files, prefix));
  const std::string name = prefix + std::string(kPickleName);
  const ZipFile& file = files.at(name);
  if (file.compressed) return unsupported_error("{} is compressed", name);
  const std::vector<std::string_view> globals = known_globals();
  Result<Pickle> pickle = Pickle::read(file.content, globals);
  if (!pickle.ok()) return pickle.status().with_context(name);
  return StateDictReader(files, std::move(prefix), bytes.size()).read(pickle->root());
}

class TorchSource final : public WeightSource {
 public:
  TorchSource(std::optional<MappedFile> file, StateDict dict, std::string label)
      : file_(std::move(file)), dict_(std::move(dict)), label_(std::move(label)) {}

  bool has(std::string_view name) const override {
    return dict_.entries.find(name) != dict_.entries.end();
  }

  Result<TensorView> tensor(std::string_view name) const override {
    const auto found = dict_.entries.find(name);
    if (found == dict_.entries.end()) {
      return not_found_error("{}: no tensor \"{}\"{}", label_, name,
                             nearest_name_hint(name, names()));
    }
    const Entry& entry = found->second;
    if (entry.refusal.empty()) return entry.view;
    return unsupported_error("{}: \"{}\" {}", label_, name, entry.refusal);
  }

  std::vector<std::string> names() const override {
    std::vector<std::string> names;
    names.reserve(dict_.entries.size());
    for (const auto& named : dict_.entries) names.push_back(named.first);
    return names;
  }

  void drop_pages() const override {
    if (file_) file_->drop_pages();
  }

 private:
  std::optional<MappedFile> file_;  // keeps the views alive
  StateDict dict_;
  std::string label_;
};

}  // namespace

Result<std::shared_ptr<const WeightSource>> open_torch_bytes(std::span<const std::byte> bytes,
                                                             const std::string& label) {
  Result<StateDict> dict = read_state_dict(bytes);
  if (!dict.ok()) return dict.status().with_context(label);
  return std::shared_ptr<const WeightSource>(
      std::make_shared<TorchSource>(std::nullopt, std::move(dict).value(), label));
}

Result<std::shared_ptr<const WeightSource>> open_torch_file(const std::string& path) {
  WDE_ASSIGN_OR_RETURN(MappedFile file, MappedFile::open(path));
  Result<StateDict> dict = read_state_dict(file.bytes());
  if (!dict.ok()) return dict.status().with_context(path);
  return std::shared_ptr<const WeightSource>(
      std::make_shared<TorchSource>(std::move(file), std::move(dict).value(), path));
}

}  // namespace wde::checkpoint
