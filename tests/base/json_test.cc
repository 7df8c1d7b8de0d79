#include "base/json.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <random>
#include <vector>

#include "support/temporary_folder.h"

namespace wde::json {
namespace {

using testing::AllOf;
using testing::HasSubstr;

TEST(JsonParse, SaysWhereTheFirstWrongByteIs) {
  const auto where = [](std::string_view text) { return parse(text).status().message(); };
  EXPECT_THAT(where("{\"a\": 1,\n \"b\": x}"), HasSubstr("line 2, column 7"));
  EXPECT_THAT(where("x"), HasSubstr("line 1, column 1"));
  EXPECT_THAT(where("[1, 2"), HasSubstr("line 1, column 6"));
  EXPECT_THAT(where("[1]\n\n]"), HasSubstr("line 3, column 1"));
  EXPECT_THAT(where(""), HasSubstr("line 1, column 1"));
  EXPECT_EQ(parse("{").status().code(), StatusCode::kDataLoss);
}

TEST(JsonParse, RefusesWhatIsNotJson) {
  for (const char* text : {"nul", "[1,]", "{\"a\":1,}", "{a:1}", "'x'", "01", "NaN", "// c\n1",
                           "1 2", "\"\\ud800\"", "\"a\nb\"", "\"\xff\"", "[1e]", "-"}) {
    EXPECT_FALSE(parse(text).ok()) << text;
  }
}

TEST(JsonParse, SkipsAByteOrderMark) { EXPECT_TRUE(parse("\xEF\xBB\xBF{}").ok()); }

TEST(JsonParse, BoundsNesting) {
  const auto nested = [](size_t depth) {
    return std::string(depth, '[') + std::string(depth, ']');
  };
  EXPECT_TRUE(parse(nested(64)).ok());
  EXPECT_FALSE(parse(nested(65)).ok());
  EXPECT_FALSE(parse(std::string(1 << 20, '[')).ok());
  std::string objects;
  for (int i = 0; i < 1 << 16; ++i) objects += "{\"a\":";
  EXPECT_FALSE(parse(objects).ok());
}

TEST(JsonParse, NamesTheFile) {
  const test::TemporaryFolder folder;
  const std::string path = folder.write("config.json", "{\"a\": }");
  EXPECT_THAT(parse_file(path).status().message(), AllOf(HasSubstr(path), HasSubstr("column 7")));
  EXPECT_EQ(parse_file(folder.path("none.json")).status().code(), StatusCode::kNotFound);
  EXPECT_EQ(parse_file(path, 3).status().code(), StatusCode::kDataLoss);
  EXPECT_TRUE(parse_file(folder.write("good.json", "{}")).ok());
}

class JsonGet : public testing::Test {
 protected:
  value document = parse(R"({"int": 7, "whole": 512.0, "half": 0.5, "huge": 1e30, "uint":
      18446744073709551615, "negative": -1e30, "null": null, "yes": true, "text": "t",
      "list": [1], "map": {}})")
                       .value();
  const object& from = document.get_object();
};

TEST_F(JsonGet, ReadsNumbers) {
  EXPECT_EQ(get_int(from, "int", 0).value(), 7);
  EXPECT_EQ(get_int(from, "whole", 0).value(), 512);
  EXPECT_EQ(get_int(from, "huge", 0).value(), std::numeric_limits<int64_t>::max());
  EXPECT_EQ(get_int(from, "uint", 0).value(), std::numeric_limits<int64_t>::max());
  EXPECT_EQ(get_double(from, "half", 0).value(), 0.5);
  EXPECT_EQ(get_double(from, "int", 0).value(), 7.0);
}

TEST_F(JsonGet, FallsBackForMissingAndNull) {
  EXPECT_EQ(get_int(from, "none", -5).value(), -5);
  EXPECT_EQ(get_double(from, "null", 2.5).value(), 2.5);
  EXPECT_EQ(get_bool(from, "none", true).value(), true);
  EXPECT_EQ(get_string(from, "null", "f").value(), "f");
  EXPECT_EQ(get_object(from, "none").value(), nullptr);
  EXPECT_EQ(get_array(from, "null").value(), nullptr);
}

TEST_F(JsonGet, AnotherTypeIsAnErrorThatNamesBoth) {
  EXPECT_EQ(get_int(from, "text", 0).status().message(),
            "\"text\" must be an integer, not a string");
  EXPECT_EQ(get_bool(from, "int", false).status().message(),
            "\"int\" must be a boolean, not an integer");
  EXPECT_EQ(get_string(from, "list", "").status().message(),
            "\"list\" must be a string, not an array");
  for (const char* key : {"half", "negative", "yes", "map"}) {
    EXPECT_EQ(get_int(from, key, 0).status().code(), StatusCode::kDataLoss) << key;
  }
  EXPECT_FALSE(get_double(from, "yes", 0).ok());
  EXPECT_FALSE(get_object(from, "list").ok());
  EXPECT_FALSE(get_array(from, "map").ok());
}

TEST(JsonAppend, NumbersReadBackAsTheSameFloat) {
  std::mt19937 random(7);
  for (int i = 0; i < 100000; ++i) {
    const float number = std::bit_cast<float>(static_cast<uint32_t>(random()));
    std::string text;
    append_number(text, number);
    if (!std::isfinite(number)) {
      ASSERT_EQ(text, "null");
    } else {
      ASSERT_EQ(std::strtof(text.c_str(), nullptr), number);
      ASSERT_TRUE(parse(text).ok()) << text;
    }
  }
}

TEST(JsonAppend, Arrays) {
  std::string out;
  append_array(out, std::vector<float>{1.5f, 2, -0.1f});
  EXPECT_EQ(out, "[1.5,2,-0.1]");
  out.clear();
  append_array(out, {});
  EXPECT_EQ(out, "[]");
}

TEST(JsonAppend, StringsReadBack) {
  std::string every;
  for (int c = 0; c < 0x80; ++c) every += static_cast<char>(c);
  every += "\xE2\x80\xA8 \xF0\x9F\x99\x82";
  std::string out;
  append_string(out, every);
  EXPECT_EQ(parse(out).value().as_string(), every);
  EXPECT_EQ(out.find('\n'), std::string::npos);
}

}  // namespace
}  // namespace wde::json
