// Matrices of fp32 in .npy files (numpy.lib.format), as `wde embed --format npy` and numpy write
// them.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/file.h"
#include "base/status.h"

namespace wde::cli {

// Read-only; the values are the mapped file's, or a copy where they lie unaligned in it.
class NpyMatrix {
 public:
  // Errors: kNotFound, kIoError, kDataLoss (no .npy file, truncated, too long), kUnsupported (other
  // than little-endian fp32 of two dimensions in C order); each names the file.
  static Result<NpyMatrix> open(const std::string& path);

  int64_t rows() const { return rows_; }
  int64_t columns() const { return columns_; }
  std::span<const float> values() const { return values_; }

 private:
  explicit NpyMatrix(MappedFile file) : file_(std::move(file)) {}
  Status read();

  MappedFile file_;
  int64_t rows_ = 0;
  int64_t columns_ = 0;
  std::span<const float> values_;
  std::vector<float> copy_;
};

// Replaces `path` only once everything is written. Errors: kInvalidArgument (can't be opened),
// kIoError.
Status write_npy(const std::string& path, std::span<const float> values, int64_t columns);

}  // namespace wde::cli
