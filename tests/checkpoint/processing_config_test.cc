#include "checkpoint/processing_config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace wde::checkpoint {
namespace {

using testing::HasSubstr;

Result<ProcessingConfig> read(std::string_view text) {
  return read_processing_config(json::parse(text).value().as_object());
}
std::string refusal(std::string_view processing) {
  const auto config = read(R"({"processing_kwargs": )" + std::string(processing) + "}");
  return config.ok() ? "" : config.status().message();
}

TEST(ProcessingConfig, HasDefaults) {
  const auto config = read("{}");
  ASSERT_TRUE(config.ok());
  EXPECT_EQ(config->max_length, std::nullopt);
  EXPECT_FALSE(config->messages);
  EXPECT_EQ(config->format, ProcessingConfig::Format::kAuto);
  EXPECT_TRUE(config->restores_end);
}

TEST(ProcessingConfig, ReadsWhatIsHonoured) {
  const auto config = read(R"({"processing_kwargs": {
      "common": {"padding": true, "return_tensors": "pt", "max_length": 7},
      "text": {"max_length": 8, "truncation": "longest_first", "logits_to_keep": 0},
      "image": {"size": 3},
      "chat_template": {"restore_suffix": false, "add_generation_prompt": true, "depth": 2,
                        "max_length": 9, "tokenize": null}}})");
  ASSERT_TRUE(config.ok()) << config.status().message();
  EXPECT_EQ(config->max_length, 9);
  EXPECT_FALSE(config->restores_end);
  EXPECT_EQ(config->template_variables,
            (json::object{{"add_generation_prompt", true}, {"depth", 2}}));
}

TEST(ProcessingConfig, ReadsTheFormatOfMessages) {
  using Format = ProcessingConfig::Format;
  const auto format = [](const std::string& message) {
    const auto config = read(R"({"modality_config": {"message": )" + message + "}}");
    EXPECT_TRUE(config.ok() && config->messages) << message;
    return config->format;
  };
  EXPECT_EQ(format("{}"), Format::kAuto);
  EXPECT_EQ(format(R"({"format": "auto"})"), Format::kAuto);
  EXPECT_EQ(format(R"({"format": "flat"})"), Format::kFlat);
  EXPECT_EQ(format(R"({"format": "structured"})"), Format::kStructured);
  EXPECT_FALSE(read(R"({"modality_config": {"text": {}}})")->messages);
  EXPECT_THAT(read(R"({"modality_config": {"message": {"format": "odd"}}})").status().message(),
              HasSubstr("\"odd\""));
}

TEST(ProcessingConfig, WhatIsNotReadIsNamed) {
  EXPECT_THAT(refusal(R"({"text": {"truncation": false}})"),
              HasSubstr("\"truncation\" of \"text\""));
  EXPECT_THAT(refusal(R"({"common": {"add_special_tokens": false}})"),
              HasSubstr("\"add_special_tokens\" of \"common\""));
  EXPECT_THAT(refusal(R"({"text": {"stride": 3}})"), HasSubstr("\"stride\""));
  EXPECT_THAT(refusal(R"({"text": {"max_length": 0}})"), HasSubstr("\"max_length\""));
  EXPECT_THAT(refusal(R"({"chat_template": {"chat_template": "rag"}})"),
              HasSubstr("\"chat_template\" of \"chat_template\""));
  EXPECT_THAT(refusal(R"({"chat_template": {"continue_final_message": true}})"),
              HasSubstr("\"continue_final_message\""));
  EXPECT_THAT(refusal(R"({"chat_template": {"restore_suffix": 1}})"),
              HasSubstr("\"restore_suffix\""));
  EXPECT_THAT(refusal(R"({"smell": {}})"), HasSubstr("\"smell\""));
  EXPECT_EQ(refusal(R"({"chat_template": {"continue_final_message": false}})"), "");
}

}  // namespace
}  // namespace wde::checkpoint
