#include "entrypoints/cli/npy_file.h"

#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstring>
#include <optional>
#include <string_view>
#include <utility>

#include "entrypoints/cli/output.h"
#include "entrypoints/cli/sinks.h"

namespace wde::cli {
namespace {

constexpr std::string_view kMagic = "\x93NUMPY";
constexpr size_t kWriteBytes = size_t{1} << 20;

std::string_view skip_spaces(std::string_view text) {
  const size_t begin = text.find_first_not_of(" \t\n");
  return begin == std::string_view::npos ? std::string_view() : text.substr(begin);
}

// What follows "'key':" in the header, a Python dict; empty when it is not there.
std::string_view value_of(std::string_view header, std::string_view key) {
  const std::string quoted = "'" + std::string(key) + "'";
  const size_t at = header.find(quoted);
  if (at == std::string_view::npos) return {};
  const std::string_view rest = skip_spaces(header.substr(at + quoted.size()));
  return rest.starts_with(':') ? skip_spaces(rest.substr(1)) : std::string_view();
}

std::optional<int64_t> take_dimension(std::string_view* text) {
  *text = skip_spaces(*text);
  int64_t dimension = 0;
  const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), dimension);
  if (error != std::errc() || dimension < 0) return std::nullopt;
  text->remove_prefix(static_cast<size_t>(end - text->data()));
  *text = skip_spaces(*text);
  return dimension;
}

struct NpyShape {
  int64_t rows;
  int64_t columns;
};

// "(3, 384)".
std::optional<NpyShape> parse_shape(std::string_view text) {
  if (!text.starts_with('(')) return std::nullopt;
  text.remove_prefix(1);
  const std::optional<int64_t> rows = take_dimension(&text);
  if (!rows || !text.starts_with(',')) return std::nullopt;
  text.remove_prefix(1);
  const std::optional<int64_t> columns = take_dimension(&text);
  if (!columns || !text.starts_with(')')) return std::nullopt;
  return NpyShape{*rows, *columns};
}

struct NpyParts {
  std::string_view header;
  std::string_view data;
};

// Versions 1 to 3 differ in the width of the header's length and in its encoding.
Result<NpyParts> split(std::string_view file) {
  const size_t length_at = kMagic.size() + 2;
  if (file.size() < length_at + 4 || !file.starts_with(kMagic)) {
    return data_loss_error("{} bytes that are no .npy file", file.size());
  }
  const auto version = static_cast<unsigned char>(file[kMagic.size()]);
  if (version < 1 || version > 3) return data_loss_error(".npy version {}", version);
  const size_t width = version == 1 ? 2 : 4;
  size_t length = 0;
  for (size_t i = 0; i < width; ++i) {
    length |= static_cast<size_t>(static_cast<unsigned char>(file[length_at + i])) << (8 * i);
  }
  const size_t begin = length_at + width;
  if (length > file.size() - begin) {
    return data_loss_error("a header of {} bytes in a file of {} (truncated?)", length,
                           file.size());
  }
  return NpyParts{file.substr(begin, length), file.substr(begin + length)};
}

}  // namespace

Result<NpyMatrix> NpyMatrix::open(const std::string& path) {
  WDE_ASSIGN_OR_RETURN(MappedFile file, MappedFile::open(path));
  NpyMatrix matrix(std::move(file));
  WDE_RETURN_IF_ERROR(matrix.read().with_context(path));
  return matrix;
}

Status NpyMatrix::read() {
  const std::span<const std::byte> bytes = file_.bytes();
  WDE_ASSIGN_OR_RETURN(const NpyParts parts,
                       split({reinterpret_cast<const char*>(bytes.data()), bytes.size()}));
  if (!value_of(parts.header, "descr").starts_with("'<f4'")) {
    return unsupported_error("its numbers must be little-endian fp32 (\"<f4\")");
  }
  const std::optional<NpyShape> shape = parse_shape(value_of(parts.header, "shape"));
  if (!shape || !value_of(parts.header, "fortran_order").starts_with("False")) {
    return unsupported_error("it must be a matrix in C order");
  }
  const std::string_view data = parts.data;
  int64_t expected = 0;
  if (__builtin_mul_overflow(shape->rows, shape->columns, &expected) ||
      __builtin_mul_overflow(expected, static_cast<int64_t>(sizeof(float)), &expected) ||
      static_cast<uint64_t>(expected) != data.size()) {
    return data_loss_error("{} bytes of data for {} x {} numbers (truncated?)", data.size(),
                           shape->rows, shape->columns);
  }
  rows_ = shape->rows;
  columns_ = shape->columns;
  const size_t count = data.size() / sizeof(float);
  if (reinterpret_cast<uintptr_t>(data.data()) % alignof(float) == 0) {
    values_ = {reinterpret_cast<const float*>(data.data()), count};
    return {};
  }
  copy_.resize(count);
  std::memcpy(copy_.data(), data.data(), data.size());
  values_ = copy_;
  return {};
}

Status write_npy(const std::string& path, std::span<const float> values, int64_t columns) {
  const std::string part = path + ".part";
  {
    WDE_ASSIGN_OR_RETURN(const auto output, Output::open(part, "--index"));
    const auto rows = static_cast<int64_t>(values.size()) / columns;
    WDE_RETURN_IF_ERROR(output->write(npy_header("<f4", rows, columns)));
    std::string_view rest(reinterpret_cast<const char*>(values.data()), values.size_bytes());
    while (!rest.empty()) {
      WDE_RETURN_IF_ERROR(output->write(rest.substr(0, kWriteBytes)));
      rest.remove_prefix(std::min(kWriteBytes, rest.size()));
    }
    WDE_RETURN_IF_ERROR(output->flush());
  }
  if (std::rename(part.c_str(), path.c_str()) == 0) return {};
  return io_error("{}: renaming {} failed: {}", path, part, std::strerror(errno));
}

}  // namespace wde::cli
