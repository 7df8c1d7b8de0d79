#include "base/utf8.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>

namespace wde {
namespace {

struct Case {
  const char* bytes;
  size_t size;
  const char* decoded;
  size_t decoded_size;
};
// NOLINTNEXTLINE: a generated table
const Case kCases[] = {
#include "base/utf8_cases.inc"
};

TEST(Utf8, ReplacesExactlyAsPythonDoes) {
  size_t invalid = 0;
  for (const Case& each : kCases) {
    const std::string bytes(each.bytes, each.size), decoded(each.decoded, each.decoded_size);
    bool replaced = false;
    ASSERT_EQ(replace_invalid_utf8(bytes, &replaced), decoded) << testing::PrintToString(bytes);
    EXPECT_EQ(replaced, bytes != decoded);
    EXPECT_EQ(is_valid_utf8(bytes), bytes == decoded);
    EXPECT_TRUE(is_valid_utf8(decoded));
    invalid += bytes != decoded;
  }
  EXPECT_GT(invalid, 1000u);
}

TEST(Utf8, ReplacementMayBeInTheTextItself) {
  bool replaced = true;
  EXPECT_EQ(replace_invalid_utf8("\xEF\xBF\xBD", &replaced), "\xEF\xBF\xBD");
  EXPECT_FALSE(replaced);
}

TEST(Utf8, IllFormedBytesAnywhereInAscii) {
  for (size_t size = 1; size < 40; ++size) {
    for (size_t at = 0; at < size; ++at) {
      std::string text(size, 'a');
      text[at] = '\xFF';
      EXPECT_FALSE(is_valid_utf8(text)) << at << " of " << size;
      EXPECT_EQ(replace_invalid_utf8(text),
                std::string(at, 'a') + "\xEF\xBF\xBD" + std::string(size - at - 1, 'a'));
    }
  }
}

TEST(Utf8, CountsCodePoints) {
  EXPECT_EQ(count_code_points(""), 0u);
  EXPECT_EQ(count_code_points("a\xC3\xA9\xE6\x97\xA5\xF0\x9F\x99\x82"), 4u);
}

}  // namespace
}  // namespace wde
