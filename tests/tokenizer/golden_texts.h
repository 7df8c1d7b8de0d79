// The texts of the real data, as tools/make_tokenizer_goldens.py reads them.
#pragma once

#include <optional>
#include <string>
#include <vector>

namespace wde::test {

struct TextCase {
  std::string text;
  std::optional<std::string> pair;
};

// Contexts and questions of an XQuAD file, in order.
std::vector<TextCase> read_xquad(const std::string& path);
// The first two columns of an STS-B file, as pairs.
std::vector<TextCase> read_stsb(const std::string& path);

std::string from_hex(const std::string& digits);

}  // namespace wde::test
