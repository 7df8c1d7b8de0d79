// A folder for one test's files, removed with it, and the writers that the checkpoint tests share.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace wde::test {

class TempFolder {
 public:
  TempFolder();
  ~TempFolder();
  TempFolder(const TempFolder&) = delete;
  TempFolder& operator=(const TempFolder&) = delete;

  std::string path(std::string_view relative = "") const;
  // Creates the parents too; returns the path.
  std::string write(std::string_view relative, std::string_view content) const;

 private:
  std::filesystem::path root_;
};

std::string read_all(const std::string& path);

// The bytes of a safetensors file: the header's length, the header, the data.
std::string safetensors_bytes(std::string_view header, std::string_view data);
// A file with these fp32 tensors of shape [values], each a name and its values.
std::string f32_safetensors(const std::vector<std::pair<std::string, std::vector<float>>>& tensors);

}  // namespace wde::test
