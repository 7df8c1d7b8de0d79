#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "base/json.h"
#include "entrypoints/cli/bench_check.h"
#include "entrypoints/cli/bench_profile.h"
#include "entrypoints/cli/bench_report.h"
#include "entrypoints/cli/bench_texts.h"
#include "entrypoints/cli/measure.h"
#include "entrypoints/cli/progress.h"
#include "entrypoints/cli/svg_plot.h"
#include "entrypoints/cli/token_lines.h"
#include "entrypoints/cli_fake_engine.h"
#include "entrypoints/status_map.h"

namespace wde::cli {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST(StatusMap, EveryCodeHasItsRow) {
  for (size_t i = 0; i < entrypoints::kStatusMappings.size(); ++i) {
    EXPECT_EQ(static_cast<size_t>(entrypoints::kStatusMappings[i].code), i);
  }
  EXPECT_EQ(entrypoints::kStatusMappings.back().code, StatusCode::kInternal);
}

TEST(StatusMap, TellsAModelThatCantBeLoadedFromAWrongRequest) {
  using entrypoints::exit_code;
  using entrypoints::Phase;
  EXPECT_EQ(exit_code(StatusCode::kNotFound, Phase::kLoad), 1);
  EXPECT_EQ(exit_code(StatusCode::kUnsupported, Phase::kLoad), 1);
  EXPECT_EQ(exit_code(StatusCode::kUnsupported, Phase::kRequest), 2);
  EXPECT_EQ(exit_code(StatusCode::kInvalidArgument, Phase::kLoad), 2);
  EXPECT_EQ(exit_code(StatusCode::kIoError, Phase::kRequest), 1);
  EXPECT_EQ(exit_code(StatusCode::kOk, Phase::kRequest), 0);
}

TEST(Measure, QuantilesByNearestRank) {
  EXPECT_EQ(quantile({3, 1, 2}, 0.5), 2);
  EXPECT_EQ(quantile({3, 1, 2}, 0.99), 3);
  EXPECT_EQ(quantile({3, 1, 2}, 0), 1);
  EXPECT_EQ(quantile({7}, 0.5), 7);
  const Spread found = spread({5, 1, 3});
  EXPECT_EQ(found.min, 1);
  EXPECT_EQ(found.median, 3);
  EXPECT_EQ(found.max, 5);
  EXPECT_EQ(spread({4, 1, 2, 9}).median, 3);
}

std::vector<Answer> answers(const std::vector<std::vector<float>>& rows) {
  std::vector<Answer> all;
  for (const std::vector<float>& row : rows) all.push_back({row, {}, 1});
  return all;
}

TEST(Measure, RequestsAreOfTheTask) {
  const std::vector<std::string> texts = {"a", "bb"};
  const auto hidden = requests_of(Task::kHidden, texts);
  ASSERT_EQ(hidden.size(), 2u);
  EXPECT_EQ(hidden[1].task, Task::kHidden);
  EXPECT_EQ(std::get<std::string>(hidden[1].input), "bb");
  const auto reranked = requests_of(Task::kRerank, texts);
  EXPECT_EQ(std::get<TextPair>(reranked[1].input).first, "a");
  EXPECT_EQ(std::get<TextPair>(reranked[1].input).second, "bb");
}

TEST(Measure, AClosedLoopKeepsItsBoundAndAnswersAll) {
  test::FakeEngine engine;
  const std::vector<std::string> texts = {"a", "bb", "ccc"};
  const auto sample = closed_loop(engine, requests_of(Task::kEmbed, texts), 300, 4);
  ASSERT_TRUE(sample.ok());
  EXPECT_GT(sample->documents_per_s, 0);
  EXPECT_NEAR(sample->tokens_per_s, 2 * sample->documents_per_s, 1e-6 * sample->tokens_per_s);
  EXPECT_LE(sample->latency_p50_ms, sample->latency_p99_ms);
  EXPECT_LE(engine.most_pending(), 4u);
}

TEST(Measure, AFailedRequestEndsTheLoop) {
  test::FakeEngine engine;
  for (const std::string text : {"fail", "refuse"}) {
    const std::vector<std::string> texts = {"a", text};
    const std::vector<Request> requests = requests_of(Task::kEmbed, texts);
    EXPECT_FALSE(closed_loop(engine, requests, 100, 4).ok());
    EXPECT_FALSE(answer_all(engine, requests).ok());
  }
}

TEST(BenchTexts, AreManyLengthsTheSameEachTime) {
  const auto texts = bench_texts();
  EXPECT_EQ(texts.size(), 64u);
  EXPECT_EQ(texts, bench_texts());
  EXPECT_GT(texts[10].size(), 0u);
  EXPECT_NE(texts[0].size(), texts[1].size());
}

TEST(AxisTicks, AreRoundAndCoverTheValues) {
  EXPECT_THAT(axis_ticks(3, 97).values, ElementsAre(2, 5, 10, 20, 50, 100));
  EXPECT_TRUE(axis_ticks(3, 97).logarithmic);
  EXPECT_THAT(axis_ticks(10, 47).values, ElementsAre(0, 10, 20, 30, 40, 50));
  EXPECT_THAT(axis_ticks(90, 100).values, ElementsAre(90, 92, 94, 96, 98, 100));
  EXPECT_FALSE(axis_ticks(90, 100).logarithmic);
  for (const double value : {0.0, 1.0, 1e-9, 5e8}) {
    const auto ticks = axis_ticks(value, value).values;
    ASSERT_GE(ticks.size(), 2u) << value;
    EXPECT_LE(ticks.front(), value);
    EXPECT_GE(ticks.back(), value);
    EXPECT_LT(ticks.front(), ticks.back());
  }
}

// Every tag is closed in order, attributes are quoted, text is escaped.
bool is_well_formed(const std::string& xml) {
  std::vector<std::string> open;
  size_t at = 0;
  while ((at = xml.find('<', at)) != std::string::npos) {
    const size_t end = xml.find('>', at);
    if (end == std::string::npos) return false;
    const std::string tag = xml.substr(at + 1, end - at - 1);
    const std::string name =
        tag.substr(tag[0] == '/' ? 1 : 0, tag.find_first_of(" /", 1) - (tag[0] == '/' ? 1 : 0));
    if (std::count(tag.begin(), tag.end(), '"') % 2 != 0) return false;
    if (tag[0] == '/') {
      if (open.empty() || open.back() != tag.substr(1)) return false;
      open.pop_back();
    } else if (tag.back() != '/') {
      open.push_back(name);
    }
    at = end;
  }
  return open.empty();
}

BenchReport small_report() {
  BenchReport report{.version = "1",
                     .commit = "c",
                     .model = "a<b>&\"c\"",
                     .architecture = "BertModel",
                     .task = "embed",
                     .cpu = "cpu",
                     .cores = 2,
                     .threads = 2,
                     .texts = 3,
                     .rounds = 1};
  for (const char* executor : {"simple", "double_buffer"}) {
    for (const int batch : {1, 8}) {
      const double rate = batch * 10.0;
      report.rows.push_back({{"f32", "flash", executor},
                             batch,
                             64,
                             {rate, rate, rate},
                             {1, 2, 3},
                             {4, 5, 6},
                             {7, 8, 9}});
    }
  }
  report.checks.push_back({{"f32", "naive", "simple"}, {"f32", "flash", "simple"}, 1e-7, 1e-5});
  return report;
}

TEST(BenchReport, SvgIsWellFormedAndHoldsEverySeries) {
  const std::string svg = bench_svg(small_report());
  EXPECT_TRUE(is_well_formed(svg)) << svg;
  EXPECT_THAT(svg, HasSubstr("a&lt;b&gt;&amp;&quot;c&quot;"));
  EXPECT_THAT(svg, HasSubstr("flash, simple, f32"));
  EXPECT_THAT(svg, HasSubstr("flash, double_buffer, f32"));
  EXPECT_EQ(svg.find("nan"), std::string::npos);
  EXPECT_TRUE(is_well_formed(plot_svg(Plot{})));
  EXPECT_FALSE(is_well_formed("<svg><a></svg>"));
}

TEST(BenchReport, JsonHoldsEveryRow) {
  const auto parsed = json::parse(bench_json(small_report()));
  ASSERT_TRUE(parsed.ok());
  const auto& rows = parsed->as_object().at("results").as_array();
  ASSERT_EQ(rows.size(), 4u);
  EXPECT_EQ(parsed->as_object().at("task").as_string(), "embed");
  EXPECT_EQ(rows[3].as_object().at("executor").as_string(), "double_buffer");
  EXPECT_EQ(rows[3].as_object().at("documents_per_s").as_object().at("median").as_double(), 80);
}

TEST(BenchReport, TableHasALineForEveryRow) {
  const std::string table = bench_table(small_report());
  EXPECT_THAT(table, HasSubstr("within 1e-07 of flash, simple, f32"));
  EXPECT_EQ(std::count(table.begin(), table.end(), '\n'), 3 + 1 + 1 + 4);
}

TEST(BenchCheck, HoldsEachAgainstItsNearestRelative) {
  const std::vector<BenchConfig> configs = {
      {"f32", "flash", "double_buffer"}, {"f32", "flash", "simple"},
      {"f32", "naive", "simple"},        {"bf16", "flash", "simple"},
      {"bf16", "naive", "simple"},       {"int8", "naive", "simple"},
      {"int8", "flash", "simple"},       {"int8", "flash", "double_buffer"}};
  const std::vector<size_t> expected = {0, 0, 0, 0, 3, 0, 5, 6};
  for (size_t i = 1; i < configs.size(); ++i) {
    EXPECT_EQ(reference_of(configs, i), expected[i]) << configs[i].name();
  }
}

TEST(BenchCheck, AllowsTheCoarserRounding) {
  const BenchConfig f32{"f32", "flash", "simple"}, bf16{"bf16", "flash", "simple"},
      int8{"int8", "flash", "simple"};
  for (const BenchConfig& config : {f32, bf16, int8}) {
    BenchConfig other = config;
    other.executor = "double_buffer";
    EXPECT_EQ(allowed_difference(config, other), 0) << config.name();
    other.attention_backend = "naive";
    EXPECT_GT(allowed_difference(config, other), 0) << config.name();
  }
  EXPECT_LT(allowed_difference(bf16, f32), allowed_difference(int8, f32));
  EXPECT_EQ(allowed_difference(bf16, int8), allowed_difference(int8, f32));
  EXPECT_EQ(allowed_difference(f32, int8), allowed_difference(int8, f32));
  EXPECT_LT(allowed_difference(int8, f32), 0.5) << "what is unrelated must not pass";
}

TEST(BenchCheck, DifferencesSeeBitsAndShapes) {
  const auto difference = [](const std::vector<std::vector<float>>& a,
                             const std::vector<std::vector<float>>& b) {
    return difference_of(answers(a), answers(b));
  };
  EXPECT_EQ(difference({{1, 2}}, {{1, 2}}), 0);
  EXPECT_GT(difference({{0.0f}}, {{-0.0f}}), 0);
  EXPECT_TRUE(std::isinf(difference({{1}}, {{1, 2}})));
  EXPECT_TRUE(std::isinf(difference({{1}}, {})));
  constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();
  EXPECT_TRUE(std::isinf(difference({{kNaN}}, {{1}})));
  EXPECT_TRUE(std::isinf(difference({{1}}, {{kNaN}})));
}

// Of the row that is furthest off, beside all rows.
TEST(BenchCheck, DifferencesAreSharesOfTheReference) {
  EXPECT_DOUBLE_EQ(difference_of(answers({{2, -2}, {2, 2.5f}}), answers({{2, -2}, {2, 2}})),
                   0.5 / std::sqrt(2) / 2);
  EXPECT_DOUBLE_EQ(difference_of(answers({{3}, {0}}), answers({{3}, {4}})), 4 / std::sqrt(12.5));
}

TEST(BenchCheck, DifferencesOfSparseVectorsSeeWhatOneSideLacks) {
  const auto difference = [](const SparseVector& a, const SparseVector& b) {
    return difference_of(std::vector<Answer>{{{}, a, 1}}, std::vector<Answer>{{{}, b, 1}});
  };
  EXPECT_EQ(difference({{1, 7}, {2, 3}}, {{1, 7}, {2, 3}}), 0);
  EXPECT_DOUBLE_EQ(difference({{1, 7}, {2, 3}}, {{1, 7}, {2, 2}}), 1 / std::sqrt(8));
  EXPECT_DOUBLE_EQ(difference({{1, 7}, {2, 3}}, {{1, 8}, {2, 4}}), 5 / std::sqrt(30));
  EXPECT_EQ(difference({{}, {}}, {{2}, {0.25f}}), 1);
}

TEST(BenchCheck, OnlyRoundingPasses) {
  const BenchConfig f32{"f32", "flash", "simple"}, int8{"int8", "flash", "simple"};
  EXPECT_TRUE(compare_answers(int8, answers({{10, -20.5f}}), f32, answers({{10, -20}})).passed());
  EXPECT_FALSE(compare_answers(int8, answers({{10, 20}}), f32, answers({{10, -20}})).passed());
  EXPECT_FALSE(compare_answers(int8, answers({{10}}), f32, answers({{10, -20}})).passed());
  // Of one dtype and backend only equal bits pass, however large the vectors.
  EXPECT_TRUE(compare_answers(f32, answers({{0, 1e9f}}), f32, answers({{0, 1e9f}})).passed());
  EXPECT_FALSE(compare_answers(f32, answers({{-0.0f, 1e9f}}), f32, answers({{0, 1e9f}})).passed());
}

ProfileReport small_profile() {
  return {.config = "flash, simple, int8",
          .threads = 2,
          .wall_seconds = 1,
          .documents = 30,
          .tokens = 600,
          .peak_gflops = 100,
          .ops = {{"pooling", 3, 0.25, 0, 1e9}, {"linear 4x8 gelu", 6, 1.0, 25e9, 2e9}}};
}

TEST(BenchProfile, TableSharesTheTimeOut) {
  const ProfileReport report = small_profile();
  const std::string table = profile_table({&report, 1});
  EXPECT_THAT(table, HasSubstr("flash, simple, int8, 2 threads: 30 texts, 600 tokens in 1.00 s"));
  EXPECT_THAT(table, HasSubstr("25.0 GFLOP/s end to end, 25.0 % of the 100.0 GFLOP/s"));
  // Two threads were in the op for half a second each: 50 GFLOP/s, half of the peak; 4 GB/s.
  EXPECT_THAT(table, ::testing::ContainsRegex(
                         "linear 4x8 gelu +6 +1000\\.0 +50\\.0 % +50\\.0 +50\\.0 % +4\\.0\n"));
  EXPECT_THAT(table, ::testing::ContainsRegex("pooling +3 +250\\.0 +12\\.5 % +8\\.0\n"));
  EXPECT_THAT(table, ::testing::ContainsRegex("outside ops +750\\.0 +37\\.5 %\n"));
  EXPECT_LT(table.find("linear 4x8"), table.find("pooling")) << "the longest first";
}

TEST(BenchProfile, JsonHoldsEveryOp) {
  const std::vector<ProfileReport> reports = {small_profile(), small_profile()};
  const auto parsed = json::parse(profile_json(reports));
  ASSERT_TRUE(parsed.ok());
  ASSERT_EQ(parsed->as_array().size(), 2u);
  const json::object& report = parsed->as_array()[1].as_object();
  EXPECT_EQ(report.at("config").as_string(), "flash, simple, int8");
  EXPECT_EQ(report.at("peak_gflops").as_double(), 100);
  const json::array& ops = report.at("ops").as_array();
  ASSERT_EQ(ops.size(), 2u);
  EXPECT_EQ(ops[1].as_object().at("op").as_string(), "linear 4x8 gelu");
  EXPECT_EQ(ops[1].as_object().at("calls").as_int64(), 6);
  EXPECT_EQ(ops[1].as_object().at("flops").as_double(), 25e9);
}

TEST(BenchProfile, GoesThroughAllTextsAndFailsWithTheFirstError) {
  test::FakeEngine engine;
  const std::vector<std::string> texts = {"a", "bb", "ccc"};
  const auto report = profile_bulk(engine, requests_of(Task::kEmbed, texts), 0.001);
  ASSERT_TRUE(report.ok()) << report.status().message();
  EXPECT_GT(report->documents, 0u);
  EXPECT_EQ(report->documents % texts.size(), 0u);
  EXPECT_NEAR(report->tokens, 2.0 * static_cast<double>(report->documents), 1e-6 * report->tokens);
  const std::vector<std::string> failing = {"a", "fail"};
  EXPECT_FALSE(profile_bulk(engine, requests_of(Task::kEmbed, failing), 0.001).ok());
}

TEST(ProgressText, SaysRatesAndWhatIsLeft) {
  EXPECT_EQ(
      progress_text(
          {.documents = 100, .tokens = 50'000, .done_bytes = 25, .total_bytes = 100, .seconds = 2}),
      "100 docs  50.0 docs/s  25.0k tokens/s  25%  ETA 0:06");
  EXPECT_EQ(progress_text({.documents = 1, .tokens = 3, .seconds = 1}),
            "1 docs  1.0 docs/s  3 tokens/s");
  EXPECT_EQ(progress_text({}), "0 docs");
  EXPECT_EQ(download_text("model.safetensors", 25'000'000, 100'000'000, 5e6),
            "model.safetensors  25.0 MB of 100.0 MB  5.0 MB/s  25%  ETA 0:15");
  EXPECT_EQ(download_text("x", 1'000'000, 0, 0), "x  1.0 MB  0.0 MB/s");
  EXPECT_EQ(duration_text(3723), "1:02:03");
  EXPECT_EQ(count_text(1'234'567), "1.2M");
}

TEST(TokenLines, IdsAndDetails) {
  const std::vector<Token> tokens = {{101, "[CLS]", true, 0, 0}, {7592, "he\"llo", false, 0, 5}};
  EXPECT_EQ(token_ids_line(std::vector<int32_t>{101, 7592}), "[101,7592]\n");
  EXPECT_EQ(token_ids_line({}), "[]\n");
  EXPECT_EQ(token_details_line(tokens),
            "[{\"id\":101,\"text\":\"[CLS]\",\"special\":true,\"start\":null,\"end\":null},"
            "{\"id\":7592,\"text\":\"he\\\"llo\",\"special\":false,\"start\":0,\"end\":5}]\n");
}

}  // namespace
}  // namespace wde::cli
