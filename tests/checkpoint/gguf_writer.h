// Writes the bytes of small GGUF files, well-formed or not.
#pragma once

#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

namespace wde::test {

class GgufWriter {
 public:
  void add(std::string_view key, std::string_view text) {
    begin_value(key, 8);
    string(keys_, text);
  }
  void add(std::string_view key, const char* text) { add(key, std::string_view(text)); }
  void add(std::string_view key, uint32_t number) {
    begin_value(key, 4);
    put(keys_, number);
  }
  void add(std::string_view key, float number) {
    begin_value(key, 6);
    put(keys_, number);
  }
  void add(std::string_view key, bool flag) {
    begin_value(key, 7);
    keys_ += flag ? '\1' : '\0';
  }
  void add(std::string_view key, const std::vector<std::string>& texts) {
    begin_value(key, 9);
    put(keys_, uint32_t{8});
    put(keys_, uint64_t{texts.size()});
    for (const std::string& text : texts) string(keys_, text);
  }
  // `count` elements of one of the file's types, or what claims to be.
  void add_array(std::string_view key, uint32_t type, uint64_t count, std::string_view elements) {
    begin_value(key, 9);
    put(keys_, type);
    put(keys_, count);
    keys_ += elements;
  }

  // The next tensor's offset, instead of where its data is.
  void set_offset(uint64_t offset) { offset_ = offset, has_offset_ = true; }
  // `dims`: outermost first.
  void add_tensor(std::string_view name, const std::vector<int64_t>& dims, uint32_t type,
                  std::string_view data) {
    ++tensor_count_;
    string(tensors_, name);
    put(tensors_, static_cast<uint32_t>(dims.size()));
    for (size_t i = dims.size(); i > 0; --i) put(tensors_, static_cast<uint64_t>(dims[i - 1]));
    put(tensors_, type);
    put(tensors_, has_offset_ ? offset_ : uint64_t{data_.size()});
    has_offset_ = false;
    data_ += data;
    data_.resize((data_.size() + 31) / 32 * 32);
  }
  void add_f32(std::string_view name, const std::vector<int64_t>& dims,
               const std::vector<float>& values) {
    add_tensor(name, dims, 0,
               {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float)});
  }

  std::string bytes() const {
    std::string file = "GGUF";
    put(file, uint32_t{3});
    put(file, tensor_count_);
    put(file, key_count_);
    file += keys_ + tensors_;
    file.resize((file.size() + 31) / 32 * 32);
    return file + data_;
  }

 private:
  template <class T>
  static void put(std::string& to, T number) {
    char raw[sizeof(T)];
    std::memcpy(raw, &number, sizeof(T));
    to.append(raw, sizeof(T));
  }
  static void string(std::string& to, std::string_view text) {
    put(to, uint64_t{text.size()});
    to += text;
  }
  void begin_value(std::string_view key, uint32_t type) {
    ++key_count_;
    string(keys_, key);
    put(keys_, type);
  }

  uint64_t key_count_ = 0, tensor_count_ = 0, offset_ = 0;
  bool has_offset_ = false;
  std::string keys_, tensors_, data_;
};

}  // namespace wde::test
