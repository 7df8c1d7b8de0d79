#include "checkpoint/safetensors.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <utility>

#include "base/file.h"
#include "base/json.h"
#include "base/nearest_name.h"

namespace wde::checkpoint {
namespace {

constexpr size_t kLengthBytes = 8;
constexpr uint64_t kMaxHeaderBytes = 100'000'000;  // the reference implementation's limit
constexpr std::string_view kMetadataKey = "__metadata__";

struct FileDType {
  std::string_view name;
  uint64_t bits;
  std::optional<DType> dtype;  // absent: the bytes are checked, the tensor can't be asked for
};

constexpr auto kFileDTypes = std::to_array<FileDType>({
    {"F32", 32, DType::kF32},
    {"BF16", 16, DType::kBF16},
    {"F16", 16, DType::kF16},
    {"I64", 64, DType::kI64},
    {"I32", 32, DType::kI32},
    {"I8", 8, DType::kI8},
    {"U8", 8, DType::kU8},
    {"BOOL", 8, std::nullopt},
    {"F64", 64, std::nullopt},
    {"I16", 16, std::nullopt},
    {"U16", 16, std::nullopt},
    {"U32", 32, std::nullopt},
    {"U64", 64, std::nullopt},
    {"C64", 64, std::nullopt},
    {"F8_E4M3", 8, std::nullopt},
    {"F8_E5M2", 8, std::nullopt},
    {"F8_E8M0", 8, std::nullopt},
    {"F8_E4M3FNUZ", 8, std::nullopt},
    {"F8_E5M2FNUZ", 8, std::nullopt},
    {"F6_E2M3", 6, std::nullopt},
    {"F6_E3M2", 6, std::nullopt},
    {"F4", 4, std::nullopt},
});

const FileDType* find_file_dtype(std::string_view name) {
  const auto found = std::find_if(kFileDTypes.begin(), kFileDTypes.end(),
                                  [&](const FileDType& known) { return known.name == name; });
  return found == kFileDTypes.end() ? nullptr : &*found;
}

struct Entry {
  std::string dtype_name;
  std::vector<int64_t> dims;
  uint64_t begin = 0;  // in the data part
  uint64_t end = 0;
};

using Entries = std::map<std::string, Entry, std::less<>>;

Result<std::vector<int64_t>> read_naturals(const json::object& entry, std::string_view key) {
  WDE_ASSIGN_OR_RETURN(const json::array* numbers, json::get_array(entry, key));
  if (numbers == nullptr) return data_loss_error("\"{}\" is missing", key);
  std::vector<int64_t> naturals;
  naturals.reserve(numbers->size());
  for (const json::value& number : *numbers) {
    if (!number.is_int64() || number.get_int64() < 0) {
      return data_loss_error("\"{}\" must hold whole numbers from 0 to 2^63 - 1", key);
    }
    naturals.push_back(number.get_int64());
  }
  return naturals;
}

// Bytes that the shape and dtype ask for; nothing on overflow, or when they don't end on a whole
// byte.
std::optional<uint64_t> shape_bytes(const std::vector<int64_t>& dims, uint64_t bits_per_element) {
  if (std::find(dims.begin(), dims.end(), 0) != dims.end()) return 0;
  uint64_t bits = bits_per_element;
  for (const int64_t dim : dims) {
    if (__builtin_mul_overflow(bits, static_cast<uint64_t>(dim), &bits)) return std::nullopt;
  }
  if (bits % 8 != 0) return std::nullopt;
  return bits / 8;
}

Result<Entry> read_entry(const json::value& described, uint64_t data_bytes) {
  const json::object* fields = described.if_object();
  if (fields == nullptr) return data_loss_error("must be an object");
  Entry entry;
  WDE_ASSIGN_OR_RETURN(entry.dtype_name, json::get_string(*fields, "dtype", ""));
  WDE_ASSIGN_OR_RETURN(entry.dims, read_naturals(*fields, "shape"));
  WDE_ASSIGN_OR_RETURN(const std::vector<int64_t> offsets, read_naturals(*fields, "data_offsets"));
  if (offsets.size() != 2 || offsets[0] > offsets[1]) {
    return data_loss_error("\"data_offsets\" must be [begin, end] with begin <= end");
  }
  entry.begin = static_cast<uint64_t>(offsets[0]);
  entry.end = static_cast<uint64_t>(offsets[1]);
  if (entry.end > data_bytes) {
    return data_loss_error("bytes [{}, {}) lie outside the file's {} bytes of data (truncated?)",
                           entry.begin, entry.end, data_bytes);
  }
  const FileDType* known = find_file_dtype(entry.dtype_name);
  if (known == nullptr) return entry;
  const std::optional<uint64_t> expected = shape_bytes(entry.dims, known->bits);
  if (!expected)
    return data_loss_error("its shape times {} overflows or ends inside a byte", entry.dtype_name);
  if (*expected != entry.end - entry.begin) {
    return data_loss_error("{} bytes of data, but its shape times {} makes {}",
                           entry.end - entry.begin, entry.dtype_name, *expected);
  }
  return entry;
}

// The tensors must cover the data exactly.
Status check_coverage(const Entries& entries, uint64_t data_bytes) {
  std::vector<const Entries::value_type*> by_offset;
  by_offset.reserve(entries.size());
  for (const auto& named : entries) by_offset.push_back(&named);
  std::sort(by_offset.begin(), by_offset.end(), [](const auto* left, const auto* right) {
    return std::pair(left->second.begin, left->second.end) <
           std::pair(right->second.begin, right->second.end);
  });
  uint64_t covered = 0;
  for (const auto* named : by_offset) {
    const Entry& entry = named->second;
    if (entry.begin < covered) {
      return data_loss_error("tensor \"{}\": bytes [{}, {}) overlap another tensor's", named->first,
                             entry.begin, entry.end);
    }
    if (entry.begin > covered) {
      return data_loss_error(
          "bytes [{}, {}) before tensor \"{}\" belong to no tensor (or a name stands twice)",
          covered, entry.begin, named->first);
    }
    covered = entry.end;
  }
  if (covered == data_bytes) return Status();
  return data_loss_error("the last {} of {} bytes of data belong to no tensor",
                         data_bytes - covered, data_bytes);
}

Result<Entries> read_entries(std::string_view header, uint64_t data_bytes) {
  WDE_ASSIGN_OR_RETURN(const json::value parsed, json::parse(header));
  const json::object* tensors = parsed.if_object();
  if (tensors == nullptr) return data_loss_error("the header must be a JSON object");
  Entries entries;
  for (const auto& member : *tensors) {
    const std::string name(member.key());
    if (name == kMetadataKey) continue;
    Result<Entry> entry = read_entry(member.value(), data_bytes);
    if (!entry.ok()) return entry.status().with_context("tensor \"" + name + "\"");
    entries.emplace(name, std::move(entry).value());
  }
  WDE_RETURN_IF_ERROR(check_coverage(entries, data_bytes));
  return entries;
}

struct Layout {
  Entries entries;
  std::span<const std::byte> data;
};

Result<Layout> read_layout(std::span<const std::byte> file) {
  if (file.size() < kLengthBytes) {
    return data_loss_error("{} bytes: too short for a safetensors file", file.size());
  }
  uint64_t header_bytes = 0;
  for (size_t i = 0; i < kLengthBytes; ++i)
    header_bytes |= std::to_integer<uint64_t>(file[i]) << (8 * i);
  if (header_bytes > kMaxHeaderBytes) {
    return data_loss_error("a header of {} bytes; {} are allowed (not a safetensors file?)",
                           header_bytes, kMaxHeaderBytes);
  }
  if (header_bytes > file.size() - kLengthBytes) {
    return data_loss_error("a header of {} bytes in a file of {} (truncated?)", header_bytes,
                           file.size());
  }
  const std::span<const std::byte> header = file.subspan(kLengthBytes, header_bytes);
  Layout layout;
  layout.data = file.subspan(kLengthBytes + header_bytes);
  Result<Entries> entries = read_entries(
      {reinterpret_cast<const char*>(header.data()), header.size()}, layout.data.size());
  if (!entries.ok()) return entries.status();
  layout.entries = std::move(entries).value();
  return layout;
}

class SafetensorsSource final : public WeightSource {
 public:
  SafetensorsSource(std::optional<MappedFile> file, Layout layout, std::string label)
      : file_(std::move(file)), layout_(std::move(layout)), label_(std::move(label)) {}

  bool has(std::string_view name) const override {
    return layout_.entries.find(name) != layout_.entries.end();
  }

  Result<TensorView> tensor(std::string_view name) const override {
    const auto found = layout_.entries.find(name);
    if (found == layout_.entries.end()) {
      return not_found_error("{}: no tensor \"{}\"{}", label_, name,
                             nearest_name_hint(name, names()));
    }
    const Entry& entry = found->second;
    const FileDType* known = find_file_dtype(entry.dtype_name);
    if (known == nullptr || !known->dtype) {
      return unsupported_error("{}: tensor \"{}\" has dtype {}, which is not supported", label_,
                               name, entry.dtype_name);
    }
    const std::optional<Shape> shape = Shape::from_dims(entry.dims);
    if (!shape) {
      return unsupported_error("{}: tensor \"{}\" has {} dimensions; up to {} are supported",
                               label_, name, entry.dims.size(), Shape::kMaxRank);
    }
    // A view's data is not const because activations share its type; nobody writes to weights, and
    // the map is read-only.
    auto* data = const_cast<std::byte*>(layout_.data.data() + entry.begin);
    return TensorView::contiguous(data, *known->dtype, *shape);
  }

  std::vector<std::string> names() const override {
    std::vector<std::string> names;
    names.reserve(layout_.entries.size());
    for (const auto& named : layout_.entries) names.push_back(named.first);
    return names;
  }

  void drop_pages() const override {
    if (file_) file_->drop_pages();
  }

 private:
  std::optional<MappedFile> file_;  // keeps layout_.data alive
  Layout layout_;
  std::string label_;
};

}  // namespace

Result<std::shared_ptr<const WeightSource>> open_safetensors_bytes(std::span<const std::byte> bytes,
                                                                   const std::string& label) {
  Result<Layout> layout = read_layout(bytes);
  if (!layout.ok()) return layout.status().with_context(label);
  return std::shared_ptr<const WeightSource>(
      std::make_shared<SafetensorsSource>(std::nullopt, std::move(layout).value(), label));
}

Result<std::shared_ptr<const WeightSource>> open_safetensors(const std::string& path) {
  WDE_ASSIGN_OR_RETURN(MappedFile file, MappedFile::open(path));
  Result<Layout> layout = read_layout(file.bytes());
  if (!layout.ok()) return layout.status().with_context(path);
  return std::shared_ptr<const WeightSource>(
      std::make_shared<SafetensorsSource>(std::move(file), std::move(layout).value(), path));
}

}  // namespace wde::checkpoint
