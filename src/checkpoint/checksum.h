// The two checksums by which the hub names a file's content.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/status.h"

namespace wde::checkpoint {

enum class ChecksumKind {
  kSha256,       // of a file kept in LFS or Xet
  kGitBlobSha1,  // of any other: SHA-1 over "blob <size>\0" and the content
};

// The kind by the length of its lower-case hex digits; nothing for any other text.
std::optional<ChecksumKind> checksum_kind(std::string_view hex);

// Reads the whole file; lower-case hex. Errors: kNotFound, kIoError; each names the path.
Result<std::string> file_checksum(const std::string& path, ChecksumKind kind);

}  // namespace wde::checkpoint
