// Rotary tables against transformers' (tools/golden_rope.py), and what a config may not say.
#include "layers/rotary_embedding.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "support/paths.h"

namespace wde::layers {
namespace {

using testing::HasSubstr;

TEST(RotaryEmbedding, TablesAreThoseOfTransformers) {
  const json::object golden =
      json::parse_file(test::fixture("rope_tables.json")).value().as_object();
  const RopeDefaults defaults{.head_size = golden.at("head_size").as_int64(),
                              .max_positions = golden.at("max_positions").as_int64()};
  ASSERT_GE(golden.at("cases").as_array().size(), 8u);
  for (const json::value& one : golden.at("cases").as_array()) {
    const json::object& parameters = one.as_object().at("rope_parameters").as_object();
    SCOPED_TRACE(std::string(parameters.at("rope_type").as_string()));
    const auto config = parse_rope({{"rope_parameters", parameters}}, defaults);
    ASSERT_TRUE(config.ok()) << config.status().message();
    const std::vector<float> table = rope_table(*config, defaults.max_positions);
    const json::array& positions = golden.at("positions").as_array();
    for (size_t i = 0; i < positions.size(); ++i) {
      const json::array& row = one.as_object().at("rows").as_array()[i].as_array();
      ASSERT_EQ(static_cast<int64_t>(row.size()), config->rotary_size);
      const int64_t position = positions[i].as_int64();
      // A frequency may differ in its last bit, an angle by that times the position.
      const double allowed = 2e-7 * (1.0 + static_cast<double>(position));
      for (size_t c = 0; c < row.size(); ++c) {
        const size_t at = static_cast<size_t>(position) * row.size() + c;
        EXPECT_NEAR(table[at], row[c].to_number<double>(), allowed) << position << " " << c;
      }
    }
  }
}

TEST(RotaryEmbedding, BothSpellingsMeanTheSame) {
  const RopeDefaults defaults{.head_size = 16, .max_positions = 64, .theta = 777};
  const auto old_spelling = parse_rope(
      {{"rope_theta", 500.0}, {"rope_scaling", {{"type", "linear"}, {"factor", 2.0}}}}, defaults);
  const auto new_spelling = parse_rope(
      {{"rope_parameters", {{"rope_type", "linear"}, {"factor", 2.0}, {"rope_theta", 500.0}}}},
      defaults);
  ASSERT_TRUE(old_spelling.ok() && new_spelling.ok());
  EXPECT_EQ(rope_table(*old_spelling, 9), rope_table(*new_spelling, 9));
  EXPECT_EQ(parse_rope({}, defaults)->theta, 777);
  EXPECT_EQ(parse_rope({{"rope_scaling", nullptr}}, defaults)->scaling, RopeScaling::kNone);
}

// "dynamic" changes nothing within max_position_embeddings.
TEST(RotaryEmbedding, DynamicScalingIsNoneWithinTheModelsPositions) {
  const RopeDefaults defaults{.head_size = 16, .max_positions = 64};
  const auto dynamic =
      parse_rope({{"rope_scaling", {{"type", "dynamic"}, {"factor", 2.0}}}}, defaults);
  ASSERT_TRUE(dynamic.ok());
  EXPECT_EQ(rope_table(*dynamic, 64), rope_table(*parse_rope({}, defaults), 64));
}

TEST(RotaryEmbedding, RefusesByName) {
  const RopeDefaults defaults{.head_size = 16, .max_positions = 64};
  const auto message = [&](const json::object& parameters) {
    return std::string(parse_rope({{"rope_parameters", parameters}}, defaults).status().message());
  };
  EXPECT_THAT(message({{"rope_type", "longrope"}}), HasSubstr("longrope"));
  EXPECT_THAT(message({{"rope_type", "linear"}}), HasSubstr("factor"));
  EXPECT_THAT(message({{"rope_type", "llama3"}, {"factor", 2.0}}), HasSubstr("low_freq_factor"));
  EXPECT_THAT(message({{"rope_theta", -1.0}}), HasSubstr("rope_theta"));
  EXPECT_THAT(message({{"rope_theta", "x"}}), HasSubstr("rope_theta"));
  EXPECT_THAT(message({{"partial_rotary_factor", 1.5}}), HasSubstr("partial_rotary_factor"));
  EXPECT_THAT(message({{"partial_rotary_factor", 0.2}}), HasSubstr("partial_rotary_factor"));
  EXPECT_THAT(message({{"mrope_section", json::array{1, 2}}}), HasSubstr("mrope_section"));
}

}  // namespace
}  // namespace wde::layers
