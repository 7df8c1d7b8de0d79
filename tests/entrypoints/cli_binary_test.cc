// The command line as a user meets it: the real process on a tiny model.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/json/serialize.hpp>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "base/json.h"
#include "entrypoints/cli_process.h"
#include "support/paths.h"

namespace wde::cli {
namespace {

using test::Ended;
using test::Process;
using test::run_wde;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::StartsWith;

const std::string kModel = wde::test::fixture("models/mean_normalize");

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  size_t begin = 0;
  for (size_t end; (end = text.find('\n', begin)) != std::string::npos; begin = end + 1) {
    lines.push_back(text.substr(begin, end - begin));
  }
  return lines;
}

std::vector<float> numbers_of(const std::string& line) {
  std::vector<float> numbers;
  const auto parsed = json::parse(line);
  if (!parsed.ok() || !parsed->is_array()) return numbers;
  for (const json::value& number : parsed->as_array()) numbers.push_back(number.to_number<float>());
  return numbers;
}

TEST(Binary, HelpAndVersionGoToStdout) {
  const Ended help = run_wde({"--help"});
  EXPECT_EQ(help.exit_code, 0);
  for (const char* part :
       {"embed", "hidden", "search", "tokenize", "serve", "bench", "info", "list", "HF_HOME"}) {
    EXPECT_THAT(help.out, HasSubstr(part));
  }
  EXPECT_THAT(run_wde({"--version"}).out, StartsWith("wde "));
  for (const char* command :
       {"embed", "hidden", "search", "tokenize", "serve", "bench", "info", "list"}) {
    const Ended command_help = run_wde({command, "--help"});
    EXPECT_EQ(command_help.exit_code, 0) << command;
    EXPECT_THAT(command_help.out, HasSubstr("Examples:")) << command;
    EXPECT_THAT(command_help.err, IsEmpty()) << command;
  }
}

TEST(Binary, AWrongCommandLineSaysWhatWasMeant) {
  const struct {
    std::vector<std::string> arguments;
    std::string said;
  } cases[] = {
      {{}, "no command is named"},
      {{"embd"}, "did you mean embed?"},
      {{"nosuchcommand", "--help"}, "no command nosuchcommand"},
      {{"--frobnicate"}, "no flag --frobnicate"},
      {{"embed", "--dimesnions", "3"}, "did you mean --dimensions?"},
      {{"embed", "--modle=x"}, "did you mean --model?"},
      {{"embed"}, "no model is named"},
      {{"embed", "-m", kModel, "--max-length", "x"}, "--max-length"},
      {{"embed", "-m", kModel, "/nonexistent/texts"}, "/nonexistent/texts"},
      {{"embed", "-m", kModel, "--output-dtype", "int8", "--format", "f32"}, "--format f32"},
      {{"embed", "-m", kModel, "-o", "/nonexistent/out"}, "/nonexistent/out"},
      {{"embed", "-m", kModel, "--dimensions", "100000"}, "100000"},
      {{"embed", "-m", kModel, "--prompt-name", "nosuchprompt"}, "nosuchprompt"},
      {{"embed", "-m", kModel, "--attention-backend", "nosuchbackend"}, "nosuchbackend"},
      {{"embed", "-m", kModel, "--workflow", "nosuchworkflow"}, "nosuchworkflow"},
      {{"embed", "-m", kModel, "--executor", "nosuchexecutor"}, "nosuchexecutor"},
      {{"embed", "-m", kModel, "--pooling", "nosuchpooling"}, "nosuchpooling"},
      {{"embed", "-m", kModel, "--dtype", "f7"}, "f7"},
      {{"serve"}, "no model is named"},
      {{"serve", "-m", kModel, "--port", "70000"}, "--port"},
      {{"serve", "--payload-limit", "-1"}, "--payload-limit: must be at least 1"},
      {{"serve", "--max-client-batch-size", "0"}, "must be at least 1, not \"0\""},
      {{"info"}, "no model is named"},
      {{"info", "-m", kModel, "--revision", "v2"}, "--revision v2"},
      {{"hidden", "-m", kModel, "--pooling", "cls"}, "no flag --pooling"},
      {{"hidden", "-m", kModel, "--normalize"}, "no flag --normalize"},
      {{"bench", "-m", kModel, "--dtype", ","}, "--dtype: \",\" names nothing"},
      {{"bench", "-m", kModel, "--memory", "--dtype", ","}, "--dtype: \",\" names nothing"},
      {{"bench", "-m", kModel, "--profile", "--rounds", "2"}, "--rounds"},
      {{"bench", "-m", kModel, "--profile", "--batch-sizes", "2"}, "--batch-sizes"},
      {{"bench", "-m", kModel, "--memory", "--seconds", "2"}, "--seconds"},
      {{"serve", "-m", kModel, "--truncate", "error", "--auto-truncate"}, "--truncate"},
      {{"serve", "-m", kModel, "--hostname", "nosuchhost.invalid"}, "nosuchhost.invalid"},
      {{"serve", "-m", kModel, "--dtype", "float16"}, "float16"},
      {{"serve", "-m", kModel, "--pooling", "splade", "--task", "embed"}, "--pooling splade"},
  };
  for (const auto& wrong : cases) {
    const Ended ended = run_wde(wrong.arguments);
    EXPECT_EQ(ended.exit_code, 2) << wrong.said << "\n" << ended.err;
    EXPECT_THAT(ended.err, HasSubstr(wrong.said));
    EXPECT_THAT(ended.out, IsEmpty());
  }
}

TEST(Binary, AModelThatCantBeLoadedIsAFailure) {
  for (const char* command : {"embed", "hidden", "tokenize", "info"}) {
    const Ended ended = run_wde({command, "-m", "/nonexistent/model"}, "a\n");
    EXPECT_EQ(ended.exit_code, 1) << command;
    EXPECT_THAT(ended.err, HasSubstr("/nonexistent/model"));
    EXPECT_THAT(ended.out, IsEmpty());
  }
}

TEST(Binary, EmbedGivesTheGoldenVectors) {
  const auto golden = json::parse_file(wde::test::fixture("goldens/mean_normalize.json"));
  ASSERT_TRUE(golden.ok()) << golden.status().message();
  std::string input;
  std::vector<const json::array*> expected;
  for (const json::value& item : golden->as_object().at("cases").as_array()) {
    const json::object& found = item.as_object();
    if (!found.contains("text") || found.contains("options")) continue;
    json::object line = {{"text", found.at("text")}};
    if (found.contains("pair")) line["text_pair"] = found.at("pair");
    if (found.contains("pair_base64")) continue;
    input += boost::json::serialize(line) + "\n";
    expected.push_back(&found.at("embedding").as_array());
  }
  ASSERT_GT(expected.size(), 5u);
  const test::TemporaryFolder folder;
  const Ended ended = run_wde({"embed", "-m", kModel, "--jsonl", folder.write("in", input)});
  ASSERT_EQ(ended.exit_code, 0) << ended.err;
  const std::vector<std::string> lines = lines_of(ended.out);
  ASSERT_EQ(lines.size(), expected.size());
  for (size_t i = 0; i < lines.size(); ++i) {
    const std::vector<float> numbers = numbers_of(lines[i]);
    ASSERT_EQ(numbers.size(), expected[i]->size()) << i;
    for (size_t c = 0; c < numbers.size(); ++c) {
      EXPECT_NEAR(numbers[c], (*expected[i])[c].to_number<double>(), 2e-5) << i << ", " << c;
    }
  }
}

TEST(Binary, OneLineForEachLine) {
  const Ended ended = run_wde({"embed", "-m", kModel}, "a\n\nb\xff\r\nlast");
  EXPECT_EQ(ended.exit_code, 0) << ended.err;
  EXPECT_EQ(lines_of(ended.out).size(), 4u);
  EXPECT_THAT(ended.err, HasSubstr("line 3: invalid UTF-8"));
  const Ended nothing = run_wde({"embed", "-m", kModel}, "");
  EXPECT_EQ(nothing.exit_code, 0);
  EXPECT_THAT(nothing.out, IsEmpty());
}

TEST(Binary, AMalformedLineEndsTheRunAfterTheLinesBeforeIt) {
  const Ended ended =
      run_wde({"embed", "-m", kModel, "--jsonl"}, "\"a\"\n[\"a\",\"b\"]\nnonsense\n\"c\"\n");
  EXPECT_EQ(ended.exit_code, 2);
  EXPECT_EQ(lines_of(ended.out).size(), 2u);
  EXPECT_THAT(ended.err, HasSubstr("line 3"));
  const Ended tokens = run_wde({"tokenize", "-m", kModel, "--jsonl"}, "\"a\"\nnonsense\n\"c\"\n");
  EXPECT_EQ(tokens.exit_code, 2);
  EXPECT_EQ(lines_of(tokens.out).size(), 1u);
}

// Its expression gives up on such a text, and the lines before it are answered.
TEST(Binary, ALineThatCantBeTokenizedEndsTheRunAfterTheLinesBeforeIt) {
  const test::TemporaryFolder folder;
  folder.write("tokenizer.json", R"({"version":"1.0",
    "model":{"type":"WordLevel","vocab":{"[UNK]":0,"a":1},"unk_token":"[UNK]"},
    "pre_tokenizer":{"type":"Split","pattern":{"Regex":"(a+)+$"},"behavior":"Isolated","invert":false}})");
  const std::string input = "a\na\n" + std::string(100, 'a') + "b\na\n";
  const Ended ended = run_wde({"tokenize", "-m", folder.path()}, input);
  EXPECT_EQ(ended.exit_code, 2);
  EXPECT_EQ(ended.out, "[1]\n[1]\n");
  EXPECT_THAT(ended.err, HasSubstr("line 3"));
}

TEST(Binary, OverLongTextsAreCountedOrRefused) {
  std::string over_long;
  for (int i = 0; i < 2000; ++i) over_long += "a ";
  const Ended truncated = run_wde({"embed", "-m", kModel}, "a\n" + over_long + "\n");
  EXPECT_EQ(truncated.exit_code, 0);
  EXPECT_THAT(truncated.err, HasSubstr("1 of 2 inputs"));
  const Ended refused =
      run_wde({"embed", "-m", kModel, "--truncate=error"}, "a\n" + over_long + "\n");
  EXPECT_EQ(refused.exit_code, 2);
  EXPECT_THAT(refused.err, HasSubstr("line 2"));
  EXPECT_EQ(lines_of(refused.out).size(), 1u);
}

TEST(Binary, OverLongTextsAreAveragedOverTheirParts) {
  std::string over_long;
  for (int i = 0; i < 100; ++i) over_long += "a ";
  const Ended averaged =
      run_wde({"embed", "-m", kModel, "--truncate=average"}, "a\n" + over_long + "\n");
  EXPECT_EQ(averaged.exit_code, 0) << averaged.err;
  EXPECT_EQ(lines_of(averaged.out).size(), 2u);
  EXPECT_THAT(averaged.err,
              HasSubstr("1 of 2 inputs were longer than 40 tokens and were averaged over their "
                        "parts"));
  EXPECT_THAT(averaged.err, testing::Not(HasSubstr("truncated")));
  const Ended hidden = run_wde({"hidden", "-m", kModel, "--truncate=average"}, "a\n");
  EXPECT_EQ(hidden.exit_code, 2);
  EXPECT_THAT(hidden.err, HasSubstr("--truncate average"));
}

TEST(Binary, HiddenHasARowForEachTokenOfTokenize) {
  const Ended tokens = run_wde({"tokenize", "-m", kModel}, "a b c\n");
  ASSERT_EQ(tokens.exit_code, 0) << tokens.err;
  const Ended hidden = run_wde({"hidden", "-m", kModel}, "a b c\n");
  ASSERT_EQ(hidden.exit_code, 0) << hidden.err;
  const auto rows = json::parse(hidden.out);
  ASSERT_TRUE(rows.ok());
  EXPECT_EQ(rows->as_array().size(), numbers_of(tokens.out).size());
}

TEST(Binary, TokenizeDetailsNameEachToken) {
  const Ended ended = run_wde({"tokenize", "-m", kModel, "--details"}, "a\n");
  ASSERT_EQ(ended.exit_code, 0) << ended.err;
  const auto parsed = json::parse(ended.out);
  ASSERT_TRUE(parsed.ok());
  const json::array& tokens = parsed->as_array();
  ASSERT_EQ(tokens.size(), 3u);
  EXPECT_TRUE(tokens[0].as_object().at("special").as_bool());
  EXPECT_TRUE(tokens[0].as_object().at("start").is_null());
  EXPECT_EQ(tokens[1].as_object().at("start").as_int64(), 0);
  EXPECT_EQ(tokens[1].as_object().at("end").as_int64(), 1);
}

TEST(Binary, AnswersALineBeforeTheNextComes) {
  Process process({"embed", "-m", kModel});
  process.put("one\n");
  EXPECT_THAT(process.read_line(), StartsWith("["));
  process.put("two\n");
  EXPECT_THAT(process.read_line(), StartsWith("["));
  process.close_input();
  EXPECT_EQ(process.wait().exit_code, 0);
}

TEST(Binary, AClosedStdoutEndsTheRunAlthoughStdinStaysOpen) {
  Process process({"embed", "-m", kModel});
  process.put("one\n");
  process.read_line();
  process.close_output();
  process.put("two\n");
  const Ended ended = process.wait();
  EXPECT_EQ(ended.exit_code, 1);
  EXPECT_THAT(ended.err, HasSubstr("stdout"));
}

TEST(Binary, AFullDiskIsAFailure) {
  for (const char* command : {"embed", "hidden", "tokenize"}) {
    const Ended ended = run_wde({command, "-m", kModel, "-o", "/dev/full"}, "a\n");
    EXPECT_EQ(ended.exit_code, 1) << command;
    EXPECT_THAT(ended.err, HasSubstr("/dev/full"));
  }
}

TEST(Binary, AnOutputThatIsTheInputKeepsItsContent) {
  const test::TemporaryFolder folder;
  const std::string texts = folder.write("texts", "a\nb\n");
  for (const char* command : {"embed", "hidden", "tokenize"}) {
    const Ended ended = run_wde({command, "-m", kModel, texts, "-o", texts});
    EXPECT_EQ(ended.exit_code, 2) << command;
    EXPECT_THAT(ended.err, HasSubstr("is the input"));
    EXPECT_EQ(test::content_of(texts), "a\nb\n") << command;
  }
}

TEST(Binary, AFailedRunKeepsAnEarlierResult) {
  const test::TemporaryFolder folder;
  const std::string result = folder.write("result", "an earlier result\n");
  for (const char* command : {"embed", "hidden", "tokenize"}) {
    EXPECT_EQ(run_wde({command, "-m", "/nonexistent/model", "-o", result}, "a\n").exit_code, 1);
    EXPECT_EQ(test::content_of(result), "an earlier result\n") << command;
    const std::string other = folder.file("other");
    EXPECT_EQ(run_wde({command, "-m", "/nonexistent/model", "-o", other}, "a\n").exit_code, 1);
    EXPECT_FALSE(std::filesystem::exists(other)) << command;
  }
}

TEST(Binary, SignalsEndEmbedBetweenLines) {
  for (const int signal : {SIGINT, SIGTERM}) {
    Process process({"embed", "-m", kModel});
    process.put("one\n");
    process.read_line();
    process.send(signal);
    const Ended ended = process.wait();
    EXPECT_EQ(ended.exit_code, 128 + signal);
    EXPECT_THAT(ended.out, IsEmpty());
  }
}

// The pipe is full, so that the signal comes in the middle of a write.
TEST(Binary, SignalsCutNoLine) {
  const test::TemporaryFolder folder;
  std::string content;
  for (int i = 0; i < 20'000; ++i) content += "some words in a line\n";
  const std::string texts = folder.write("texts", content);
  for (const char* command : {"embed", "tokenize"}) {
    Process process({command, "-m", kModel, texts});
    process.read_line();
    process.send(SIGINT);
    const Ended ended = process.wait();
    EXPECT_EQ(ended.exit_code, 128 + SIGINT) << command;
    const bool whole = ended.out.empty() || ended.out.back() == '\n';
    EXPECT_TRUE(whole) << command << " ends with " << ended.out.substr(ended.out.rfind('\n') + 1);
  }
}

TEST(Binary, ServeEndsCleanlyOnSigterm) {
  Process process({"serve", "-m", kModel, "--hostname", "127.0.0.1", "--port", "0"});
  ASSERT_TRUE(process.await_said("ready at http://127.0.0.1:")) << process.said();
  process.send(SIGTERM);
  const Ended ended = process.wait();
  EXPECT_EQ(ended.exit_code, 0) << ended.err;
}

TEST(Binary, ServeThatCannotStartIsNotAwaited) {
  Process process({"serve", "-m", kModel, "--hostname", "127.0.0.1", "--port", "-1"});
  EXPECT_FALSE(process.await_said("ready at http://127.0.0.1:"));
  EXPECT_EQ(process.wait().exit_code, 2);
}

TEST(Binary, ListAndInfoSpeakJson) {
  const auto list = json::parse(run_wde({"list", "--json"}).out);
  ASSERT_TRUE(list.ok());
  EXPECT_TRUE(list->as_object().contains("attention backends"));
  EXPECT_TRUE(list->as_object().contains("executors"));
  const Ended table = run_wde({"list"});
  EXPECT_EQ(table.exit_code, 0);
  EXPECT_THAT(table.out, HasSubstr("attention backends\n"));
  const Ended info = run_wde({"info", "-m", kModel, "--json"});
  ASSERT_EQ(info.exit_code, 0) << info.err;
  const auto parsed = json::parse(info.out);
  ASSERT_TRUE(parsed.ok());
  EXPECT_EQ(parsed->as_object().at("architecture").as_string(), "BertModel");
  EXPECT_EQ(run_wde({"info", "-m", kModel}).exit_code, 0);
}

TEST(Binary, BenchReportsEveryConfiguration) {
  const test::TemporaryFolder folder;
  const Ended ended =
      run_wde({"bench", "-m", kModel, "--batch-sizes", "1,4", "--rounds", "1", "--seconds", "0.001",
               "--json", folder.file("b.json"), "--svg", folder.file("b.svg")});
  ASSERT_EQ(ended.exit_code, 0) << ended.err;
  const auto report = json::parse_file(folder.file("b.json"));
  ASSERT_TRUE(report.ok());
  const size_t rows = report->as_object().at("results").as_array().size();
  EXPECT_GE(rows, 2u * 2u * 2u);
  EXPECT_GE(lines_of(ended.out).size(), rows);
  EXPECT_THAT(test::content_of(folder.file("b.svg")), StartsWith("<svg "));
}

// Of dense vectors, and of sparse ones, whose entries come and go with the rounding.
TEST(Binary, BenchComparesEveryDtype) {
  const test::TemporaryFolder folder;
  for (const std::string& model : {kModel, wde::test::fixture("task_models/bert_sparse_twice")}) {
    const Ended ended = run_wde({"bench", "-m", model, "--batch-sizes", "4", "--rounds", "1",
                                 "--seconds", "0.001", "--dtype", "f32,bf16,int8", "--executor",
                                 "simple", "--json", folder.file("b.json")});
    ASSERT_EQ(ended.exit_code, 0) << ended.err;
    const auto report = json::parse_file(folder.file("b.json"));
    ASSERT_TRUE(report.ok());
    std::vector<std::string> against_f32;
    for (const json::value& check : report->as_object().at("checks").as_array()) {
      const json::object& object = check.as_object();
      EXPECT_LE(object.at("difference").to_number<double>(),
                object.at("allowed").to_number<double>());
      const json::object& config = object.at("config").as_object();
      const json::object& reference = object.at("reference").as_object();
      if (reference.at("dtype").as_string() == "f32" && config.at("dtype").as_string() != "f32") {
        EXPECT_GT(object.at("difference").to_number<double>(), 0);
        against_f32.emplace_back(config.at("dtype").as_string());
      }
    }
    EXPECT_THAT(against_f32, ::testing::ElementsAre("bf16", "int8")) << model;
  }
}

// Each model by its own task, and by another that it serves.
TEST(Binary, BenchMeasuresTheModelsTask) {
  const struct {
    const char* model;
    const char* wanted;  // --task
    const char* task;
  } cases[] = {{"bert_rerank", "", "rerank"},       {"bert_rerank", "embed", "embed"},
               {"bert_softmax", "", "classify"},    {"bert_tokens", "", "classify-tokens"},
               {"bert_sparse", "sparse", "sparse"}, {"colbert_pylate", "", "multivector"},
               {"qwen3_yes_no", "rerank", "rerank"}};
  for (const auto& c : cases) {
    std::vector<std::string> arguments = {"bench",
                                          "-m",
                                          wde::test::fixture(std::string("task_models/") + c.model),
                                          "--dtype",
                                          "f32,bf16",
                                          "--attention-backend",
                                          "flash",
                                          "--executor",
                                          "simple",
                                          "--batch-sizes",
                                          "4",
                                          "--rounds",
                                          "1",
                                          "--seconds",
                                          "0.001",
                                          "--json",
                                          "-"};
    if (*c.wanted != 0) arguments.insert(arguments.end(), {"--task", c.wanted});
    const Ended ended = run_wde(arguments);
    ASSERT_EQ(ended.exit_code, 0) << c.model << " " << ended.err;
    const auto report = json::parse(ended.out);
    ASSERT_TRUE(report.ok()) << ended.out;
    EXPECT_EQ(report->as_object().at("task").as_string(), c.task) << c.model;
    EXPECT_GT(report->as_object().at("texts").at("tokens").at("median").as_double(), 0) << c.model;
  }
}

TEST(Binary, BenchProfilesOps) {
  const std::vector<std::string> profile = {"bench",     "-m",    kModel,       "--profile",
                                            "--seconds", "0.001", "--executor", "simple",
                                            "--dtype",   "int8",  "--threads",  "1"};
  const test::TemporaryFolder folder;
  std::vector<std::string> arguments = profile;
  arguments.insert(arguments.end(), {"--attention-backend", "flash", "--json", folder.file("p")});
  const Ended ended = run_wde(arguments);
  ASSERT_EQ(ended.exit_code, 0) << ended.err;
  for (const char* part : {"flash, simple, int8, 1 threads: ", "GFLOP/s end to end", "linear 72x24",
                           "attention", "layer_norm", "pooling", "outside ops"}) {
    EXPECT_THAT(ended.out, HasSubstr(part));
  }
  const auto report = json::parse_file(folder.file("p"));
  ASSERT_TRUE(report.ok()) << report.status().message();
  ASSERT_EQ(report->as_array().size(), 1u);
  EXPECT_EQ(report->as_array()[0].as_object().at("ops").as_array().size(), 8u);

  arguments = profile;  // every attention backend in turn; JSON instead of the table
  arguments.insert(arguments.end(), {"--json", "-"});
  const auto of_all = json::parse(run_wde(arguments).out);
  ASSERT_TRUE(of_all.ok()) << of_all.status().message();
  EXPECT_GE(of_all->as_array().size(), 2u);
}

TEST(Binary, BenchTokenizes) {
  const test::TemporaryFolder folder;
  std::ofstream(folder.file("texts")) << "a text\nand another, longer one\n";
  const std::vector<std::string> arguments = {
      "bench",     "-m",    kModel,      "--tokenize", folder.file("texts"), "--rounds", "2",
      "--seconds", "0.001", "--threads", "2"};
  const Ended table = run_wde(arguments);
  ASSERT_EQ(table.exit_code, 0) << table.err;
  for (const char* part : {"2 texts, ", "2 rounds", "threads  tokens/s", "texts/s"})
    EXPECT_THAT(table.out, HasSubstr(part));
  std::vector<std::string> as_json = arguments;
  as_json.insert(as_json.end(), {"--json", "-"});
  const auto report = json::parse(run_wde(as_json).out);
  ASSERT_TRUE(report.ok()) << report.status().message();
  const json::array& rows = report->at("results").as_array();
  ASSERT_EQ(rows.size(), 2u);
  EXPECT_EQ(rows[1].at("threads").as_int64(), 2);
  EXPECT_GT(rows[0].at("tokens_per_s").at("min").as_double(), 0);
  EXPECT_GT(report->at("tokens").as_int64(), 4);
}

TEST(Binary, BenchTokenizesAndComputesNothing) {
  for (const std::vector<std::string>& computing : {std::vector<std::string>{"--profile"},
                                                    {"--dtype", "bf16"},
                                                    {"--executor", "simple"},
                                                    {"--pooling", "cls"},
                                                    {"--max-length", "8"}}) {
    std::vector<std::string> arguments = {"bench", "-m", kModel, "--tokenize"};
    arguments.insert(arguments.end(), computing.begin(), computing.end());
    const Ended ended = run_wde(arguments);
    EXPECT_EQ(ended.exit_code, 2);
    EXPECT_THAT(ended.err, HasSubstr("--tokenize"));
    EXPECT_THAT(ended.err, HasSubstr(computing.front()));
  }
}

TEST(Binary, BenchDrawsNoProfile) {
  const Ended ended = run_wde({"bench", "-m", kModel, "--profile", "--svg", "/nonexistent/p.svg"});
  EXPECT_EQ(ended.exit_code, 2);
  EXPECT_THAT(ended.err, HasSubstr("--svg"));
  EXPECT_THAT(ended.out, IsEmpty());
}

TEST(Binary, BenchRefusesReportsBeforeItMeasures) {
  const test::TemporaryFolder folder;
  const std::string texts = folder.write("texts", "a\n");
  const std::string report = folder.file("report");  // there is no such file yet
  const struct {
    std::vector<std::string> flags;
    std::string said;
  } cases[] = {
      {{"--json", "/nonexistent/r"}, "--json /nonexistent/r: can't be written"},
      {{"--svg", "/nonexistent/r"}, "--svg /nonexistent/r: can't be written"},
      {{"--json", texts}, "is the input"},
      {{"--json", report, "--svg", report}, "is the JSON report"},
  };
  for (const auto& wrong : cases) {
    std::vector<std::string> arguments = {"bench", "-m", "/nonexistent/model", texts};
    arguments.insert(arguments.end(), wrong.flags.begin(), wrong.flags.end());
    const Ended ended = run_wde(arguments);
    EXPECT_EQ(ended.exit_code, 2) << ended.err;
    EXPECT_THAT(ended.err, HasSubstr(wrong.said));
    EXPECT_EQ(test::content_of(texts), "a\n");
  }
}

}  // namespace
}  // namespace wde::cli
