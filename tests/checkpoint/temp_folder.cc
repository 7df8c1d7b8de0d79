#include "temp_folder.h"

#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <sstream>
#include <stdexcept>

namespace wde::test {

TempFolder::TempFolder() {
  std::string pattern = (std::filesystem::temp_directory_path() / "wde_test_XXXXXX").string();
  if (::mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("mkdtemp failed");
  root_ = pattern;
}

TempFolder::~TempFolder() {
  std::error_code ignored;
  std::filesystem::remove_all(root_, ignored);
}

std::string TempFolder::path(std::string_view relative) const {
  return relative.empty() ? root_.string() : (root_ / relative).string();
}

std::string TempFolder::write(std::string_view relative, std::string_view content) const {
  const std::filesystem::path target = root_ / relative;
  std::filesystem::create_directories(target.parent_path());
  std::ofstream(target, std::ios::binary)
      .write(content.data(), static_cast<std::streamsize>(content.size()));
  return target.string();
}

std::string read_all(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return std::string(std::istreambuf_iterator<char>(file), {});
}

std::string safetensors_bytes(std::string_view header, std::string_view data) {
  std::string bytes;
  for (int i = 0; i < 8; ++i) bytes += static_cast<char>(header.size() >> (8 * i));
  return bytes.append(header).append(data);
}

std::string f32_safetensors(
    const std::vector<std::pair<std::string, std::vector<float>>>& tensors) {
  std::ostringstream header;
  std::string data;
  header << "{\"__metadata__\":{\"format\":\"pt\"}";
  for (const auto& [name, values] : tensors) {
    const size_t size_bytes = values.size() * sizeof(float);
    header << ",\"" << name << "\":{\"dtype\":\"F32\",\"shape\":[" << values.size()
           << "],\"data_offsets\":[" << data.size() << ',' << data.size() + size_bytes << "]}";
    data.append(reinterpret_cast<const char*>(values.data()), size_bytes);
  }
  header << '}';
  return safetensors_bytes(header.str(), data);
}

}  // namespace wde::test
