// The files of a zip archive that lies in memory, by libzip, of which nobody else knows. Only
// finds where they lie: stored files are read in place, nothing is unpacked. The content is
// hostile: whatever the archive says, a file's span lies inside the archive's bytes.
#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <span>
#include <string>

#include "base/status.h"

namespace wde::checkpoint {

struct ZipFile {
  std::span<const std::byte> content;  // empty when it is compressed
  bool compressed = false;             // or encrypted: can't be read in place
};

using ZipFiles = std::map<std::string, ZipFile, std::less<>>;

// Whether the bytes begin as a zip archive does.
bool looks_like_zip(std::span<const std::byte> bytes);

// Every file, zip64 too; spans point into `bytes`. Checksums are not compared: that would read
// all of a file that is only to be mapped. Errors: kDataLoss.
Result<ZipFiles> read_zip(std::span<const std::byte> bytes);

}  // namespace wde::checkpoint
