#include "checkpoint/zip_archive.h"

#include <zip.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string_view>

namespace wde::checkpoint {
namespace {

constexpr size_t kMaxNameBytes = 1024;  // of "archive/data/17" and the like
constexpr auto kBeginnings = std::to_array<std::string_view>({"PK\x03\x04", "PK\x05\x06"});

// What libzip reads through: the archive's bytes as if they were a file. Where it begins to read a
// stored file is where that file lies, which libzip has no call to tell.
struct Reader {
  std::span<const std::byte> bytes;
  uint64_t position = 0;
  uint64_t last_read = 0;  // position at which the last read began
  zip_error_t error{};
};

zip_int64_t read_bytes(Reader& reader, void* buffer, zip_uint64_t size) {
  const uint64_t count = std::min<uint64_t>(size, reader.bytes.size() - reader.position);
  if (count > 0) std::memcpy(buffer, reader.bytes.data() + reader.position, count);
  reader.last_read = reader.position;
  reader.position += count;
  return static_cast<zip_int64_t>(count);
}

zip_int64_t seek(Reader& reader, void* arguments, zip_uint64_t size) {
  const zip_int64_t position = zip_source_seek_compute_offset(reader.position, reader.bytes.size(),
                                                              arguments, size, &reader.error);
  if (position < 0) return -1;
  reader.position = static_cast<uint64_t>(position);
  return 0;
}

zip_int64_t tell_size(const Reader& reader, void* answer) {
  auto* stat = static_cast<zip_stat_t*>(answer);
  zip_stat_init(stat);
  stat->valid = ZIP_STAT_SIZE;
  stat->size = reader.bytes.size();
  return sizeof(*stat);
}

zip_int64_t serve(void* state, void* data, zip_uint64_t size, zip_source_cmd_t command) {
  Reader& reader = *static_cast<Reader*>(state);
  switch (command) {
    case ZIP_SOURCE_OPEN:
      reader.position = 0;
      return 0;
    case ZIP_SOURCE_READ:
      return read_bytes(reader, data, size);
    case ZIP_SOURCE_SEEK:
      return seek(reader, data, size);
    case ZIP_SOURCE_TELL:
      return static_cast<zip_int64_t>(reader.position);
    case ZIP_SOURCE_STAT:
      return tell_size(reader, data);
    case ZIP_SOURCE_ERROR:
      return zip_error_to_data(&reader.error, data, size);
    case ZIP_SOURCE_SUPPORTS:
      return zip_source_make_command_bitmap(
          ZIP_SOURCE_OPEN, ZIP_SOURCE_READ, ZIP_SOURCE_CLOSE, ZIP_SOURCE_STAT, ZIP_SOURCE_ERROR,
          ZIP_SOURCE_FREE, ZIP_SOURCE_SEEK, ZIP_SOURCE_TELL, ZIP_SOURCE_SUPPORTS, -1);
    default:
      return 0;
  }
}

struct Discard {
  void operator()(zip_t* archive) const { zip_discard(archive); }
  void operator()(zip_file_t* file) const { zip_fclose(file); }
};
using Archive = std::unique_ptr<zip_t, Discard>;
using OpenFile = std::unique_ptr<zip_file_t, Discard>;

Result<Archive> open_archive(Reader* reader) {
  zip_error_t error{};
  zip_source_t* source = zip_source_function_create(&serve, reader, &error);
  zip_t* archive = source == nullptr ? nullptr : zip_open_from_source(source, ZIP_RDONLY, &error);
  if (archive != nullptr) return Archive(archive);
  Status status =
      data_loss_error("the zip archive is broken or truncated ({})", zip_error_strerror(&error));
  zip_error_fini(&error);
  if (source != nullptr) zip_source_free(source);
  return status;
}

// Where the bytes of the file at `index` lie.
Result<ZipFile> locate(zip_t* archive, zip_uint64_t index, const zip_stat_t& stat,
                       const Reader& reader) {
  if (stat.comp_method != ZIP_CM_STORE || stat.encryption_method != ZIP_EM_NONE) {
    return ZipFile{.compressed = true};
  }
  if (stat.comp_size != stat.size) {
    return data_loss_error("stored, but its sizes differ: {} and {} bytes", stat.comp_size,
                           stat.size);
  }
  if (stat.size == 0) return ZipFile{};
  const OpenFile file(zip_fopen_index(archive, index, ZIP_FL_COMPRESSED));
  char first = 0;
  if (file == nullptr || zip_fread(file.get(), &first, 1) != 1) {
    return data_loss_error("it can't be read in the archive (truncated?)");
  }
  if (stat.size > reader.bytes.size() - reader.last_read) {
    return data_loss_error("{} bytes from {} on lie outside the archive's {}", stat.size,
                           reader.last_read, reader.bytes.size());
  }
  return ZipFile{.content = reader.bytes.subspan(reader.last_read, stat.size)};
}

Status add_file(zip_t* archive, zip_uint64_t index, const Reader& reader, ZipFiles* files) {
  zip_stat_t stat{};
  constexpr zip_uint64_t kNeeded =
      ZIP_STAT_NAME | ZIP_STAT_SIZE | ZIP_STAT_COMP_SIZE | ZIP_STAT_COMP_METHOD;
  if (zip_stat_index(archive, index, ZIP_FL_ENC_RAW, &stat) != 0 ||
      (stat.valid & kNeeded) != kNeeded) {
    return data_loss_error("the zip archive's directory is broken at file {}", index);
  }
  const std::string_view name(stat.name);
  if (name.size() > kMaxNameBytes) {
    return data_loss_error("a file name of {} bytes in the zip archive", name.size());
  }
  Result<ZipFile> file = locate(archive, index, stat, reader);
  if (!file.ok()) return file.status().with_context(name);
  if (!files->emplace(name, *file).second) {
    return data_loss_error("{} stands twice in the zip archive", name);
  }
  return {};
}

}  // namespace

bool looks_like_zip(std::span<const std::byte> bytes) {
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  return std::any_of(kBeginnings.begin(), kBeginnings.end(),
                     [&](std::string_view beginning) { return text.starts_with(beginning); });
}

Result<ZipFiles> read_zip(std::span<const std::byte> bytes) {
  Reader reader{.bytes = bytes};
  WDE_ASSIGN_OR_RETURN(const Archive archive, open_archive(&reader));
  ZipFiles files;
  const zip_int64_t count = zip_get_num_entries(archive.get(), 0);
  for (zip_int64_t index = 0; index < count; ++index) {
    WDE_RETURN_IF_ERROR(add_file(archive.get(), static_cast<zip_uint64_t>(index), reader, &files));
  }
  return files;
}

}  // namespace wde::checkpoint
