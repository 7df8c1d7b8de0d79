#include "entrypoints/cli/input.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <thread>
#include <vector>

#include "entrypoints/cli_pipe.h"

namespace wde::cli {
namespace {

using test::Pipe;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

std::vector<std::string> lines_of(std::string_view bytes) {
  Pipe pipe;
  pipe.put(bytes);
  pipe.close_write();
  LineReader reader(pipe.read_end(), 1000);
  std::vector<std::string> lines;
  while (true) {
    auto line = reader.next();
    EXPECT_TRUE(line.ok()) << line.status().message();
    if (!line.ok() || !line->has_value()) return lines;
    lines.push_back(**line);
  }
}

TEST(LineReader, SplitsAtEveryKindOfLineEnd) {
  EXPECT_THAT(lines_of(""), IsEmpty());
  EXPECT_THAT(lines_of("a"), ElementsAre("a"));
  EXPECT_THAT(lines_of("a\n"), ElementsAre("a"));
  EXPECT_THAT(lines_of("\n"), ElementsAre(""));
  EXPECT_THAT(lines_of("a\n\n b \nc"), ElementsAre("a", "", " b ", "c"));
  EXPECT_THAT(lines_of("a\r\nb\r\n\r\n"), ElementsAre("a", "b", ""));
}

TEST(LineReader, KeepsACarriageReturnThatEndsNoLine) {
  EXPECT_THAT(lines_of("a\rb\n"), ElementsAre("a\rb"));
  EXPECT_THAT(lines_of("a\r"), ElementsAre("a\r"));
  EXPECT_THAT(lines_of("a\r\r\n"), ElementsAre("a\r"));
}

TEST(LineReader, KeepsNulBytes) {
  EXPECT_THAT(lines_of(std::string_view("a\0b\n", 4)), ElementsAre(std::string("a\0b", 3)));
}

TEST(LineReader, HandsALineOutBeforeTheNextComes) {
  Pipe pipe;
  LineReader reader(pipe.read_end(), 1000);
  pipe.put("first\nsec");
  EXPECT_EQ(**reader.next(), "first");
  EXPECT_FALSE(reader.has_line());
  pipe.put("ond\nthird\n");
  EXPECT_EQ(**reader.next(), "second");
  EXPECT_TRUE(reader.has_line());
  EXPECT_EQ(**reader.next(), "third");
}

TEST(LineReader, LinesMayBeLongerThanOneRead) {
  test::TemporaryFolder folder;
  const std::string longest(300'000, 'x');
  const std::string path = folder.write("long.txt", "a\n" + longest + "\nb");
  Console console;
  auto reader = InputReader::open({.path = path}, console);
  ASSERT_TRUE(reader.ok());
  EXPECT_EQ(std::get<std::string>((*(*reader)->next())->input), "a");
  EXPECT_EQ(std::get<std::string>((*(*reader)->next())->input), longest);
  EXPECT_EQ(std::get<std::string>((*(*reader)->next())->input), "b");
  EXPECT_EQ((*reader)->total_bytes(), 300'004u);
}

TEST(LineReader, RefusesALineOverTheLimit) {
  Pipe pipe;
  LineReader reader(pipe.read_end(), 10);
  pipe.put(std::string(11, 'x'));
  const auto line = reader.next();
  ASSERT_FALSE(line.ok());
  EXPECT_EQ(line.status().code(), StatusCode::kInvalidArgument);
}

TEST(LineReader, StopEndsAWait) {
  Pipe pipe;
  LineReader reader(pipe.read_end(), 10);
  std::thread stopper([&] { reader.stop(); });
  const auto line = reader.next();
  stopper.join();
  ASSERT_TRUE(line.ok());
  EXPECT_FALSE(line->has_value());
}

TEST(ParseJsonl, TakesTheThreeForms) {
  EXPECT_EQ(std::get<std::string>(*parse_jsonl("\"a\\nb\"")), "a\nb");
  EXPECT_EQ(std::get<std::string>(*parse_jsonl("{\"text\":\"t\",\"id\":7}")), "t");
  EXPECT_EQ(std::get<std::string>(*parse_jsonl("{\"text\":\"t\",\"text_pair\":null}")), "t");
  const auto pair = std::get<TextPair>(*parse_jsonl("[\"a\",\"b\"]"));
  EXPECT_EQ(pair.first, "a");
  EXPECT_EQ(pair.second, "b");
  EXPECT_EQ(std::get<TextPair>(*parse_jsonl("{\"text\":\"t\",\"text_pair\":\"p\"}")).second, "p");
}

TEST(ParseJsonl, RefusesEverythingElse) {
  for (const char* line :
       {"", "a", "1", "null", "true", "[]", "[\"a\"]", "[\"a\",\"b\",\"c\"]", "[\"a\",1]", "{}",
        "{\"text\":1}", "{\"text\":\"a\",\"text_pair\":1}", "\"a\" \"b\"", "\"a", "{\"text\":"}) {
    const auto parsed = parse_jsonl(line);
    ASSERT_FALSE(parsed.ok()) << line;
    EXPECT_EQ(parsed.status().code(), StatusCode::kInvalidArgument) << line;
  }
}

TEST(InputReader, ReplacesInvalidUtf8AndSaysSoOnce) {
  Pipe pipe, talk;
  pipe.put(
      "fine\nb\xff"
      "ad\nw\xc3\norse\n");
  pipe.close_write();
  Console console(talk.write_end());
  InputReader reader(pipe.read_end(), {}, console);
  EXPECT_EQ(std::get<std::string>((*reader.next())->input), "fine");
  EXPECT_EQ(std::get<std::string>((*reader.next())->input),
            "b\xEF\xBF\xBD"
            "ad");
  EXPECT_EQ(std::get<std::string>((*reader.next())->input), "w\xEF\xBF\xBD");
  const std::string said = talk.take();
  EXPECT_THAT(said, HasSubstr("line 2: invalid UTF-8"));
  EXPECT_EQ(said.find("line 3"), std::string::npos);
}

TEST(InputReader, NamesAMalformedLine) {
  Pipe pipe;
  pipe.put("\"a\"\n\"b\"\nnonsense\n");
  pipe.close_write();
  Console console;
  InputReader reader(pipe.read_end(), {.jsonl = true}, console);
  EXPECT_TRUE(reader.next().ok());
  EXPECT_EQ((*reader.next())->number, 2u);
  const auto third = reader.next();
  ASSERT_FALSE(third.ok());
  EXPECT_THAT(third.status().message(), HasSubstr("line 3: invalid JSON"));
}

TEST(InputReader, AMissingFileAndAFolderAreWrongArguments) {
  Console console;
  for (const char* path : {"/nonexistent/texts.txt", "/tmp"}) {
    const auto reader = InputReader::open({.path = path}, console);
    ASSERT_FALSE(reader.ok());
    EXPECT_EQ(reader.status().code(), StatusCode::kInvalidArgument);
    EXPECT_THAT(reader.status().message(), HasSubstr(path));
  }
}

}  // namespace
}  // namespace wde::cli
