// Whole files in and out, and read-only maps of them. No other place of the project opens a file to
// read it whole.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"

namespace wde {

// Errors: kNotFound, kIoError, kDataLoss (larger than max_bytes); each names the path.
Result<std::string> read_file(const std::string& path, size_t max_bytes);

// True for an existing regular file (a link to one counts) / folder.
bool file_exists(const std::string& path);
bool directory_exists(const std::string& path);

// The names of what a folder holds, sorted. Errors: kNotFound, kIoError; each names the path.
Result<std::vector<std::string>> list_folder(const std::string& path);

// A file mapped read-only and shared: pages come from the page cache, and several processes share
// them. Movable, not copyable; the bytes live as long as this object.
class MappedFile {
 public:
  // Errors: kNotFound, kIoError; each names the path. An empty file maps to an empty span.
  static Result<MappedFile> open(const std::string& path);

  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&& other) noexcept;
  ~MappedFile();

  std::span<const std::byte> bytes() const { return {data_, size_bytes_}; }
  // Takes the pages out of this process's memory; they stay in the page cache, and come back when
  // they are read.
  void drop_pages() const;
  const std::string& path() const { return path_; }

 private:
  MappedFile() = default;
  const std::byte* data_ = nullptr;
  size_t size_bytes_ = 0;
  std::string path_;
};

}  // namespace wde
