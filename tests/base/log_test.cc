#include "base/log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <thread>
#include <vector>

#include "base/json.h"

namespace wde::log {
namespace {

using testing::HasSubstr;
using testing::MatchesRegex;

class LogTest : public testing::Test {
 protected:
  ~LogTest() override { configure(Level::kInfo, Format::kText); }

  template <class Write>
  static std::string logged(const Write& write_lines) {
    testing::internal::CaptureStderr();
    write_lines();
    return testing::internal::GetCapturedStderr();
  }
  static long lines(const std::string& text) { return std::count(text.begin(), text.end(), '\n'); }
};

TEST_F(LogTest, TextHasTimeLevelAndMessage) {
  EXPECT_THAT(logged([] { info("{} tokens", 7); }),
              MatchesRegex("[0-9]+-[0-9]+-[0-9]+ [0-9]+:[0-9]+:[0-9]+\\.[0-9]+ info +7 tokens\n"));
}

TEST_F(LogTest, KeepsToItsLevel) {
  configure(Level::kWarning, Format::kText);
  const std::string text = logged([] {
    debug("d");
    info("i");
    warning("w");
    error("e");
  });
  EXPECT_EQ(lines(text), 2);
  EXPECT_THAT(text, HasSubstr("warning w"));
  configure(Level::kOff, Format::kText);
  EXPECT_EQ(logged([] { error("e"); }), "");
  EXPECT_EQ(logged([] { write(Level::kOff, "x"); }), "");
}

TEST_F(LogTest, OneMessageIsOneLineOfText) {
  const std::string text = logged([] { info("a\nb\r\x1b[31m\tc\x7f \xff {{}} %v"); });
  EXPECT_EQ(lines(text), 1);
  EXPECT_THAT(text, HasSubstr("a\\nb\\x0d\\x1b[31m\tc\\x7f \xEF\xBF\xBD {} %v\n"));
}

TEST_F(LogTest, JsonLinesReadBack) {
  configure(Level::kTrace, Format::kJson);
  const std::string message =
      "quote \" backslash \\ newline \n control \x01 \xF0\x9F\x99\x82 {} %v";
  const std::string line = logged([&] { write(Level::kWarning, message); });
  EXPECT_EQ(lines(line), 1);
  const json::value parsed = json::parse(line).value();
  EXPECT_EQ(parsed.at("message").as_string(), message);
  EXPECT_EQ(parsed.at("level").as_string(), "warning");
  EXPECT_THAT(std::string(parsed.at("timestamp").as_string()),
              MatchesRegex("[0-9]+-[0-9]+-[0-9]+T[0-9]+:[0-9]+:[0-9]+\\.[0-9]+Z"));
}

TEST_F(LogTest, InvalidUtf8StaysJson) {
  configure(Level::kInfo, Format::kJson);
  const std::string line = logged([] { info("{}", std::string("\xc3\x28\xff\0z", 5)); });
  EXPECT_EQ(json::parse(line).value().at("message").as_string(),
            std::string("\xEF\xBF\xBD(\xEF\xBF\xBD\0z", 9));
}

TEST_F(LogTest, ThreadsDoNotMixTheirLines) {
  const std::string text = logged([] {
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t) {
      threads.emplace_back([] {
        for (int i = 0; i < 100; ++i) info("{}", std::string(200, 'm'));
      });
    }
    for (std::thread& thread : threads) thread.join();
  });
  EXPECT_EQ(lines(text), 400);
  EXPECT_EQ(std::count(text.begin(), text.end(), 'm'), 400 * 200);
}

TEST(LogNames, ReadBackOrAreRefused) {
  EXPECT_EQ(parse_level("warning").value(), Level::kWarning);
  EXPECT_EQ(parse_level("off").value(), Level::kOff);
  EXPECT_EQ(parse_format("json").value(), Format::kJson);
  EXPECT_THAT(parse_level("loud").status().message(), HasSubstr("\"loud\""));
  EXPECT_EQ(parse_format("xml").status().code(), StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace wde::log
