#include "checkpoint/gguf_file.h"

#include <array>
#include <bit>
#include <cstring>
#include <optional>
#include <utility>
#include <vector>

#include "base/file.h"
#include "base/nearest_name.h"
#include "checkpoint/ggml_blocks.h"

namespace wde::checkpoint {
namespace {

constexpr std::string_view kMagic = "GGUF";
constexpr uint64_t kDefaultAlignment = 32;
constexpr uint64_t kMaxAlignment = 1 << 20;
constexpr uint64_t kMaxNameBytes = 4096;
constexpr uint64_t kMaxTensors = 1 << 20;
constexpr uint64_t kMaxKeys = 1 << 20;
constexpr uint64_t kMaxStringBytes = uint64_t{16} << 20;
constexpr uint64_t kMaxElements = 1 << 24;  // of all arrays together

// Little-endian numbers and strings, one after the other, as far as there are bytes.
class Reader {
 public:
  explicit Reader(std::span<const std::byte> bytes) : bytes_(bytes) {}

  size_t position() const { return position_; }
  uint64_t rest() const { return bytes_.size() - position_; }

  template <class T>
  Result<T> number() {
    static_assert(std::endian::native == std::endian::little);
    if (rest() < sizeof(T)) return ends_early();
    T value;
    std::memcpy(&value, bytes_.data() + position_, sizeof(T));
    position_ += sizeof(T);
    return value;
  }
  Result<std::string> string(uint64_t max_bytes) {
    WDE_ASSIGN_OR_RETURN(const uint64_t size, number<uint64_t>());
    if (size > rest()) return ends_early();
    if (size > max_bytes)
      return data_loss_error("a string of {} bytes; at most {} are read", size, max_bytes);
    std::string text(reinterpret_cast<const char*>(bytes_.data() + position_), size);
    position_ += size;
    return text;
  }
  // The elements of one more array.
  Status count_elements(uint64_t count) {
    if (count > kMaxElements - elements_) {
      return data_loss_error("an array of {} elements; at most {} in all arrays are read", count,
                             kMaxElements);
    }
    elements_ += count;
    return {};
  }

 private:
  Status ends_early() const {
    return data_loss_error("ends early, at byte {} of {} (truncated?)", position_, bytes_.size());
  }

  std::span<const std::byte> bytes_;
  size_t position_ = 0;
  uint64_t elements_ = 0;
};

// ------------------------------------------------------------------ metadata

// The file's numbers for types of values.
enum ValueType : uint32_t {
  kUint8 = 0,
  kInt8,
  kUint16,
  kInt16,
  kUint32,
  kInt32,
  kFloat32,
  kBool,
  kString,
  kArray,
  kUint64,
  kInt64,
  kFloat64
};

template <class T>
Result<json::value> read_number(Reader& reader) {
  WDE_ASSIGN_OR_RETURN(const T number, reader.number<T>());
  if constexpr (std::is_floating_point_v<T>) return json::value(static_cast<double>(number));
  // What does not fit stays unsigned, and is too large for whoever asks.
  if constexpr (std::is_same_v<T, uint64_t>) {
    if (number > static_cast<uint64_t>(INT64_MAX)) return json::value(number);
  }
  return json::value(static_cast<int64_t>(number));
}

Result<json::value> read_value(Reader& reader, uint32_t type);

// The bytes that a value takes at least.
Result<uint64_t> least_size(uint32_t type) {
  switch (type) {
    case kUint8:
    case kInt8:
    case kBool:
      return 1;
    case kUint16:
    case kInt16:
      return 2;
    case kUint32:
    case kInt32:
    case kFloat32:
      return 4;
    case kString:  // its size
    case kUint64:
    case kInt64:
    case kFloat64:
      return 8;
    case kArray:
      return unsupported_error("an array of arrays");
    default:
      return data_loss_error("a value of type {}", type);
  }
}

// A count can't ask for more than there is in the file.
Result<json::value> read_array(Reader& reader) {
  WDE_ASSIGN_OR_RETURN(const uint32_t type, reader.number<uint32_t>());
  WDE_ASSIGN_OR_RETURN(const uint64_t count, reader.number<uint64_t>());
  WDE_ASSIGN_OR_RETURN(const uint64_t least, least_size(type));
  if (count > reader.rest() / least) {
    return data_loss_error("an array of {} elements in {} bytes (truncated?)", count,
                           reader.rest());
  }
  WDE_RETURN_IF_ERROR(reader.count_elements(count));
  json::array elements;
  elements.reserve(count);
  for (uint64_t i = 0; i < count; ++i) {
    WDE_ASSIGN_OR_RETURN(json::value element, read_value(reader, type));
    elements.push_back(std::move(element));
  }
  return json::value(std::move(elements));
}

Result<json::value> read_value(Reader& reader, uint32_t type) {
  switch (type) {
    case kUint8:
      return read_number<uint8_t>(reader);
    case kInt8:
      return read_number<int8_t>(reader);
    case kUint16:
      return read_number<uint16_t>(reader);
    case kInt16:
      return read_number<int16_t>(reader);
    case kUint32:
      return read_number<uint32_t>(reader);
    case kInt32:
      return read_number<int32_t>(reader);
    case kFloat32:
      return read_number<float>(reader);
    case kUint64:
      return read_number<uint64_t>(reader);
    case kInt64:
      return read_number<int64_t>(reader);
    case kFloat64:
      return read_number<double>(reader);
    case kBool: {
      WDE_ASSIGN_OR_RETURN(const uint8_t flag, reader.number<uint8_t>());
      if (flag > 1) return data_loss_error("a boolean of {}", flag);
      return json::value(flag == 1);
    }
    case kString: {
      WDE_ASSIGN_OR_RETURN(const std::string text, reader.string(kMaxStringBytes));
      return json::value(text);
    }
    case kArray:
      return read_array(reader);
    default:
      return data_loss_error("a value of type {}", type);
  }
}

Result<json::object> read_metadata(Reader& reader, uint64_t count) {
  if (count > kMaxKeys) return data_loss_error("{} keys of metadata", count);
  json::object metadata;
  for (uint64_t i = 0; i < count; ++i) {
    WDE_ASSIGN_OR_RETURN(const std::string key, reader.string(kMaxNameBytes));
    WDE_ASSIGN_OR_RETURN(const uint32_t type, reader.number<uint32_t>());
    Result<json::value> read = read_value(reader, type);
    if (!read.ok()) return read.status().with_context("\"" + key + "\"");
    if (!metadata.emplace(key, std::move(read).value()).second)
      return data_loss_error("the key \"{}\" stands twice", key);
  }
  return metadata;
}

// ------------------------------------------------------------------ tensors

struct Entry {
  uint32_t type_id = 0;
  std::vector<int64_t> dims;           // outermost first
  uint64_t offset = 0;                 // in the data part
  std::unique_ptr<ComputedRows> rows;  // of block types
};

using Entries = std::map<std::string, Entry, std::less<>>;

Result<Entry> read_entry(Reader& reader) {
  constexpr uint32_t kMostDims = 4;  // GGML_MAX_DIMS
  Entry entry;
  WDE_ASSIGN_OR_RETURN(const uint32_t rank, reader.number<uint32_t>());
  if (rank > kMostDims) return data_loss_error("{} dimensions", rank);
  for (uint32_t i = 0; i < rank; ++i) {
    WDE_ASSIGN_OR_RETURN(const uint64_t dim, reader.number<uint64_t>());
    if (dim > static_cast<uint64_t>(INT64_MAX)) return data_loss_error("a dimension of {}", dim);
    entry.dims.insert(entry.dims.begin(), static_cast<int64_t>(dim));
  }
  WDE_ASSIGN_OR_RETURN(entry.type_id, reader.number<uint32_t>());
  WDE_ASSIGN_OR_RETURN(entry.offset, reader.number<uint64_t>());
  return entry;
}

Result<Entries> read_entries(Reader& reader, uint64_t count) {
  if (count > kMaxTensors) return data_loss_error("{} tensors", count);
  Entries entries;
  for (uint64_t i = 0; i < count; ++i) {
    WDE_ASSIGN_OR_RETURN(const std::string name, reader.string(kMaxNameBytes));
    Result<Entry> entry = read_entry(reader);
    if (!entry.ok()) return entry.status().with_context("tensor \"" + name + "\"");
    if (!entries.emplace(name, std::move(entry).value()).second)
      return data_loss_error("the tensor \"{}\" stands twice", name);
  }
  return entries;
}

// The bytes that a tensor takes: whole blocks in every row. Nothing on overflow.
std::optional<uint64_t> tensor_bytes(const GgmlType& type, const std::vector<int64_t>& dims) {
  uint64_t elements = 1;
  for (const int64_t dim : dims) {
    if (__builtin_mul_overflow(elements, static_cast<uint64_t>(dim), &elements))
      return std::nullopt;
  }
  uint64_t bytes = 0;
  const auto block = static_cast<uint64_t>(type.block_elements);
  if (__builtin_mul_overflow(elements / block, static_cast<uint64_t>(type.block_bytes), &bytes))
    return std::nullopt;
  return bytes;
}

// Checks where a tensor lies, and makes its rows where they must be computed.
Status place(Entry& entry, std::span<const std::byte> data, uint64_t alignment) {
  if (entry.offset % alignment != 0) {
    return data_loss_error("begins at {}, which is not a multiple of {}", entry.offset, alignment);
  }
  if (entry.offset > data.size()) {
    return data_loss_error("begins at {}, behind the file's {} bytes of data (truncated?)",
                           entry.offset, data.size());
  }
  const GgmlType* type = find_ggml_type(entry.type_id);
  if (type == nullptr || !is_readable(*type)) return {};  // its size is not known
  const int64_t columns = entry.dims.empty() ? 1 : entry.dims.back();
  if (columns % type->block_elements != 0) {
    return data_loss_error("rows of {} elements are no whole blocks of {}", columns, type->name);
  }
  const std::optional<uint64_t> bytes = tensor_bytes(*type, entry.dims);
  if (!bytes || *bytes > data.size() - entry.offset) {
    return data_loss_error(
        "its shape times {} reaches beyond the file's {} bytes of data "
        "(truncated?)",
        type->name, data.size());
  }
  if (type->dtype) return {};
  // A vector's elements are its rows, which no blocks are cut along.
  if (entry.dims.size() < 2) return data_loss_error("a vector of {}", type->name);
  const std::optional<Shape> shape = Shape::from_dims(entry.dims);
  WDE_CHECK(shape.has_value());
  entry.rows = make_ggml_rows(*type, data.data() + entry.offset, *shape);
  return {};
}

class GgufSource final : public WeightSource {
 public:
  GgufSource(Entries entries, std::string label)
      : entries_(std::move(entries)), label_(std::move(label)) {}

  void keep(MappedFile file) { file_ = std::move(file); }

  // Of the tensors whose bytes lie in `data`.
  Status place_all(std::span<const std::byte> data, uint64_t alignment) {
    data_ = data;
    for (auto& [name, entry] : entries_) {
      const Status placed = place(entry, data, alignment);
      if (!placed.ok()) return placed.with_context("tensor \"" + name + "\"");
    }
    return {};
  }

  bool has(std::string_view name) const override { return entries_.find(name) != entries_.end(); }

  Result<TensorView> tensor(std::string_view name) const override {
    const auto found = entries_.find(name);
    if (found == entries_.end()) {
      return not_found_error("{}: no tensor \"{}\"{}", label_, name,
                             nearest_name_hint(name, names()));
    }
    const Entry& entry = found->second;
    const GgmlType* type = find_ggml_type(entry.type_id);
    if (type == nullptr || !is_readable(*type)) {
      return unsupported_error(
          "{}: tensor \"{}\" is of type {}; read are F32, F16, BF16, Q8_0, Q4_0, Q4_K and Q6_K",
          label_, name, type == nullptr ? std::to_string(entry.type_id) : std::string(type->name));
    }
    if (entry.rows != nullptr) return entry.rows->view();
    const std::optional<Shape> shape = Shape::from_dims(entry.dims);
    WDE_CHECK(shape.has_value());
    // A view's data is not const because activations share its type; the map is read-only.
    auto* data = const_cast<std::byte*>(data_.data() + entry.offset);
    return TensorView::contiguous(data, *type->dtype, *shape);
  }

  std::vector<std::string> names() const override {
    std::vector<std::string> names;
    names.reserve(entries_.size());
    for (const auto& named : entries_) names.push_back(named.first);
    return names;
  }

  void drop_pages() const override {
    if (file_) file_->drop_pages();
  }

 private:
  std::optional<MappedFile> file_;  // keeps data_ alive
  Entries entries_;
  std::string label_;
  std::span<const std::byte> data_;
};

struct Parsed {
  json::object metadata;
  std::shared_ptr<GgufSource> tensors;
};

Result<uint64_t> read_alignment(const json::object& metadata) {
  WDE_ASSIGN_OR_RETURN(const int64_t alignment,
                       json::get_int(metadata, "general.alignment", kDefaultAlignment));
  const bool valid = alignment >= 1 && static_cast<uint64_t>(alignment) <= kMaxAlignment &&
                     std::has_single_bit(static_cast<uint64_t>(alignment));
  if (!valid) return data_loss_error("\"general.alignment\" is {}", alignment);
  return static_cast<uint64_t>(alignment);
}

Result<Parsed> parse(std::span<const std::byte> bytes, const std::string& label) {
  Reader reader(bytes);
  std::array<char, 4> magic{};
  if (bytes.size() >= magic.size()) std::memcpy(magic.data(), bytes.data(), magic.size());
  if (std::string_view(magic.data(), magic.size()) != kMagic)
    return data_loss_error("does not begin with \"GGUF\" (not a GGUF file?)");
  WDE_ASSIGN_OR_RETURN(const uint32_t skipped, reader.number<uint32_t>());
  (void)skipped;
  WDE_ASSIGN_OR_RETURN(const uint32_t version, reader.number<uint32_t>());
  if (version != 2 && version != 3) {
    const bool swapped = version >> 24 != 0 && (version & 0xffffff) == 0;
    return unsupported_error("GGUF version {}{}; versions 2 and 3 are read", version,
                             swapped ? " (a big-endian file?)" : "");
  }
  WDE_ASSIGN_OR_RETURN(const uint64_t tensors, reader.number<uint64_t>());
  WDE_ASSIGN_OR_RETURN(const uint64_t keys, reader.number<uint64_t>());
  Parsed parsed;
  WDE_ASSIGN_OR_RETURN(parsed.metadata, read_metadata(reader, keys));
  WDE_ASSIGN_OR_RETURN(const int64_t files, json::get_int(parsed.metadata, "split.count", 1));
  if (files > 1) return unsupported_error("one of {} files of a split model", files);
  WDE_ASSIGN_OR_RETURN(Entries entries, read_entries(reader, tensors));
  WDE_ASSIGN_OR_RETURN(const uint64_t alignment, read_alignment(parsed.metadata));
  const uint64_t begin = (reader.position() + alignment - 1) / alignment * alignment;
  if (begin > bytes.size() && !entries.empty())
    return data_loss_error("ends before its tensors' data (truncated?)");
  parsed.tensors = std::make_shared<GgufSource>(std::move(entries), label);
  WDE_RETURN_IF_ERROR(
      parsed.tensors->place_all(bytes.subspan(std::min<size_t>(begin, bytes.size())), alignment));
  return parsed;
}

}  // namespace

Result<GgufFile> open_gguf_bytes(std::span<const std::byte> bytes, const std::string& label) {
  Result<Parsed> parsed = parse(bytes, label);
  if (!parsed.ok()) return parsed.status().with_context(label);
  return GgufFile{std::move(parsed->metadata), std::move(parsed->tensors)};
}

Result<GgufFile> open_gguf(const std::string& path) {
  WDE_ASSIGN_OR_RETURN(MappedFile file, MappedFile::open(path));
  Result<Parsed> parsed = parse(file.bytes(), path);
  if (!parsed.ok()) return parsed.status().with_context(path);
  parsed->tensors->keep(std::move(file));
  return GgufFile{std::move(parsed->metadata), std::move(parsed->tensors)};
}

}  // namespace wde::checkpoint
