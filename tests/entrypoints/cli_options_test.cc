#include "entrypoints/cli/options.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <string>
#include <vector>

#include "entrypoints/cli/command.h"

namespace wde::cli {
namespace {

struct Parsed {
  EngineOptions engine;
  InputOptions input;
  std::string output = "-";
};

Parsed parse(std::vector<std::string> arguments) {
  Parsed parsed;
  CLI::App app;
  add_engine_flags(app, parsed.engine);
  add_input_flags(app, parsed.input);
  add_output_flag(app, parsed.output);
  std::reverse(arguments.begin(), arguments.end());
  app.parse(arguments);
  return parsed;
}

TEST(Options, NothingGivenLeavesTheDefaults) {
  const Parsed parsed = parse({});
  const EngineOptions defaults;
  EXPECT_EQ(parsed.engine.dtype, defaults.dtype);
  EXPECT_EQ(parsed.engine.max_batch_tokens, defaults.max_batch_tokens);
  EXPECT_FALSE(parsed.engine.normalize.has_value());
  EXPECT_FALSE(parsed.engine.max_length.has_value());
  EXPECT_FALSE(parsed.engine.prompt.has_value());
  EXPECT_EQ(parsed.input.path, "-");
  EXPECT_FALSE(parsed.input.jsonl);
}

TEST(Options, EveryFlagReachesItsField) {
  const EngineOptions options = parse({"-m",
                                       "folder",
                                       "--revision",
                                       "r",
                                       "--workflow",
                                       "w",
                                       "--dtype",
                                       "bf16",
                                       "--device",
                                       "cpu",
                                       "--isa",
                                       "avx2",
                                       "--attention-backend",
                                       "flash",
                                       "--gemm-backend",
                                       "g",
                                       "--executor",
                                       "simple",
                                       "--pooling",
                                       "cls",
                                       "--max-length",
                                       "64",
                                       "--truncation-side",
                                       "left",
                                       "--truncate",
                                       "error",
                                       "--prompt-name",
                                       "query",
                                       "--max-batch-tokens",
                                       "1",
                                       "--max-batch-requests",
                                       "2",
                                       "--long-text-tokens",
                                       "7",
                                       "--max-queued-requests",
                                       "3",
                                       "--threads",
                                       "4",
                                       "--request-threads",
                                       "5",
                                       "--data-parallel",
                                       "6",
                                       "--memory-utilization",
                                       "0.5"})
                                    .engine;
  EXPECT_EQ(options.model, "folder");
  EXPECT_EQ(options.revision, "r");
  EXPECT_EQ(options.workflow, "w");
  EXPECT_EQ(options.dtype, "bf16");
  EXPECT_EQ(options.device, "cpu");
  EXPECT_EQ(options.isa, "avx2");
  EXPECT_EQ(options.attention_backend, "flash");
  EXPECT_EQ(options.gemm_backend, "g");
  EXPECT_EQ(options.executor, "simple");
  EXPECT_EQ(options.pooling, "cls");
  EXPECT_EQ(options.max_length, 64);
  EXPECT_EQ(options.truncation_side, TruncationSide::kLeft);
  EXPECT_EQ(options.over_long, OverLong::kError);
  EXPECT_EQ(options.prompt_name, "query");
  EXPECT_EQ(options.max_batch_tokens, 1);
  EXPECT_EQ(options.max_batch_requests, 2);
  EXPECT_EQ(options.long_text_tokens, 7);
  EXPECT_EQ(options.max_queued_requests, 3);
  EXPECT_EQ(options.threads, 4);
  EXPECT_EQ(options.request_threads, 5);
  EXPECT_EQ(options.data_parallel, 6);
  EXPECT_DOUBLE_EQ(options.memory_utilization, 0.5);
}

TEST(Options, ASwitchTakesItsValueOnlyAfterAnEqualsSign) {
  EXPECT_EQ(parse({"--normalize"}).engine.normalize, true);
  EXPECT_EQ(parse({"--normalize=true"}).engine.normalize, true);
  EXPECT_EQ(parse({"--normalize=false"}).engine.normalize, false);
  const Parsed parsed = parse({"--normalize", "texts.txt"});
  EXPECT_EQ(parsed.engine.normalize, true);
  EXPECT_EQ(parsed.input.path, "texts.txt");
  EXPECT_THROW(parse({"--normalize=maybe"}), CLI::ParseError);
}

TEST(Options, OverLongTextsMayBeAveraged) {
  EXPECT_EQ(parse({}).engine.over_long, OverLong::kTruncate);
  EXPECT_EQ(parse({"--truncate", "average"}).engine.over_long, OverLong::kAverage);
}

TEST(Options, AnEmptyPromptIsAPrompt) {
  EXPECT_EQ(parse({"--prompt", ""}).engine.prompt, "");
  EXPECT_EQ(parse({"--prompt=query: "}).engine.prompt, "query: ");
}

TEST(Options, WrongValuesAreParseErrors) {
  for (const std::vector<std::string>& arguments :
       std::vector<std::vector<std::string>>{{"--max-length", "many"},
                                             {"--truncate", "maybe"},
                                             {"--truncation-side", "middle"},
                                             {"--threads", "1.5"},
                                             {"--prompt", "a", "--prompt-name", "b"},
                                             {"--unknown"},
                                             {"a.txt", "b.txt"}}) {
    EXPECT_THROW(parse(arguments), CLI::ParseError) << arguments.front();
  }
}

TEST(Options, EveryCommandCanBeDefined) {
  for (wde::cli::Run (*define)(CLI::App&) :
       {define_embed, define_hidden, define_tokenize, define_info, define_list, define_bench,
        define_serve}) {
    CLI::App app;
    EXPECT_TRUE(define(app) != nullptr);
    EXPECT_THAT(app.help(), testing::HasSubstr("Examples:"));
  }
}

}  // namespace
}  // namespace wde::cli
