#include "base/process_memory.h"

#include <malloc.h>

#include <algorithm>
#include <charconv>
#include <string_view>

#include "base/file.h"

namespace wde {
namespace {

constexpr size_t kMaxFileBytes = size_t{1} << 20;

// The number of a line "<field>:   123 kB".
Result<size_t> read_kibibytes(std::string_view status, std::string_view field) {
  for (size_t begin = 0; begin < status.size();) {
    const size_t end = std::min(status.find('\n', begin), status.size());
    std::string_view line = status.substr(begin, end - begin);
    begin = end + 1;
    if (!line.starts_with(field) || !line.substr(field.size()).starts_with(':')) continue;
    line.remove_prefix(std::min(line.find_first_of("0123456789"), line.size()));
    size_t kibibytes = 0;
    const auto parsed = std::from_chars(line.data(), line.data() + line.size(), kibibytes);
    if (parsed.ec == std::errc()) return kibibytes * 1024;
  }
  return data_loss_error("no number for \"{}\"", field);
}

}  // namespace

Result<ResidentMemory> read_resident_memory(const std::string& status_file) {
  WDE_ASSIGN_OR_RETURN(const std::string status, read_file(status_file, kMaxFileBytes));
  ResidentMemory memory;
  const auto read = [&](std::string_view field, size_t* bytes) -> Status {
    const Result<size_t> found = read_kibibytes(status, field);
    if (!found.ok()) return found.status().with_context(status_file);
    *bytes = *found;
    return {};
  };
  WDE_RETURN_IF_ERROR(read("RssAnon", &memory.anonymous_bytes));
  WDE_RETURN_IF_ERROR(read("RssFile", &memory.file_bytes));
  WDE_RETURN_IF_ERROR(read("VmHWM", &memory.peak_bytes));
  return memory;
}

size_t heap_in_use_bytes() {
  const struct mallinfo2 info = ::mallinfo2();
  return info.uordblks + info.hblkhd;
}

void return_free_heap() { ::malloc_trim(0); }

}  // namespace wde
