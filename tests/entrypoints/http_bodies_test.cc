#include "entrypoints/http/bodies.h"

#include <gtest/gtest.h>

namespace wde::http {
namespace {

using Ids = std::vector<int32_t>;

const std::string& text_of(const Input& input) { return std::get<std::string>(input); }
const Ids& ids_of(const Input& input) { return std::get<Ids>(input); }

template <class T>
void expect_error(const Result<T>& result, StatusCode code, std::string_view message_part) {
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.status().code(), code) << result.status().message();
  EXPECT_NE(result.status().message().find(message_part), std::string::npos)
      << result.status().message();
}

TEST(HttpBodies, EmbedDefaults) {
  const auto body = parse_embed_request(R"({"inputs":"a text"})");
  ASSERT_TRUE(body.ok());
  ASSERT_EQ(body->inputs.items.size(), 1u);
  EXPECT_FALSE(body->inputs.batch);
  EXPECT_EQ(text_of(body->inputs.items[0]), "a text");
  EXPECT_EQ(body->options.over_long, std::nullopt);
  EXPECT_EQ(body->options.truncation_side, TruncationSide::kRight);
  EXPECT_EQ(body->options.prompt_name, std::nullopt);
  EXPECT_TRUE(body->normalize);
  EXPECT_EQ(body->dimensions, std::nullopt);
}

TEST(HttpBodies, EmbedEveryField) {
  const auto body = parse_embed_request(R"({"inputs":["a"],"truncate":false,"normalize":false,
    "truncation_direction":"Left","prompt_name":"query","adapter":"separation","dimensions":3,"unknown":[1]})");
  ASSERT_TRUE(body.ok());
  EXPECT_TRUE(body->inputs.batch);
  EXPECT_EQ(body->options.over_long, OverLong::kError);
  EXPECT_EQ(body->options.truncation_side, TruncationSide::kLeft);
  EXPECT_EQ(body->options.prompt_name, "query");
  EXPECT_EQ(body->options.adapter, "separation");
  EXPECT_FALSE(body->normalize);
  EXPECT_EQ(body->dimensions, 3);
}

TEST(HttpBodies, NullStandsForAbsent) {
  const auto body = parse_embed_request(
      R"({"inputs":"a","truncate":null,"prompt_name":null,"dimensions":null,"normalize":null})");
  ASSERT_TRUE(body.ok());
  EXPECT_EQ(body->options.over_long, std::nullopt);
  EXPECT_EQ(body->options.prompt_name, std::nullopt);
  EXPECT_EQ(body->dimensions, std::nullopt);
  EXPECT_TRUE(body->normalize);
}

TEST(HttpBodies, InputsOfEveryShape) {
  const auto ids = parse_embed_request(R"({"inputs":[5,6]})");
  ASSERT_TRUE(ids.ok());
  EXPECT_FALSE(ids->inputs.batch);
  EXPECT_EQ(ids_of(ids->inputs.items.at(0)), (Ids{5, 6}));

  const auto mixed = parse_embed_request(R"({"inputs":["a",[7,8],""]})");
  ASSERT_TRUE(mixed.ok());
  ASSERT_EQ(mixed->inputs.items.size(), 3u);
  EXPECT_EQ(text_of(mixed->inputs.items[0]), "a");
  EXPECT_EQ(ids_of(mixed->inputs.items[1]), (Ids{7, 8}));
  EXPECT_EQ(text_of(mixed->inputs.items[2]), "");

  const auto empty_ids = parse_embed_request(R"({"inputs":[[]]})");
  ASSERT_TRUE(empty_ids.ok());  // the engine refuses it
  EXPECT_TRUE(ids_of(empty_ids->inputs.items.at(0)).empty());
}

TEST(HttpBodies, EmptyList) {
  expect_error(parse_embed_request(R"({"inputs":[]})"), StatusCode::kEmptyInput, "\"inputs\"");
  expect_error(parse_embed_all_request(R"({"inputs":[]})"), StatusCode::kEmptyInput, "\"inputs\"");
  expect_error(parse_openai_embeddings_request(R"({"input":[]})"), StatusCode::kEmptyInput,
               "\"input\"");
  expect_error(parse_tokenize_request(R"({"inputs":[]})"), StatusCode::kEmptyInput, "\"inputs\"");
  expect_error(parse_decode_request(R"({"ids":[]})"), StatusCode::kEmptyInput, "\"ids\"");
}

TEST(HttpBodies, BrokenJsonSaysWhere) {
  for (const std::string_view body :
       {"", "{", "{\"inputs\":\"a\"} x", "{\"inputs\":}", "{\"inputs\":\"\xff\"}",
        "{\"inputs\":\"\\ud800\"}", "nul", "{\"inputs\":01}"}) {
    SCOPED_TRACE(body);
    expect_error(parse_embed_request(body), StatusCode::kDataLoss, "line 1, column ");
  }
  expect_error(parse_embed_request("{\n  \"inputs\": ]"), StatusCode::kDataLoss, "line 2");
  expect_error(parse_embed_request(R"({"inputs":)" + std::string(100'000, '[')),
               StatusCode::kDataLoss, "");
}

TEST(HttpBodies, WrongTypesNameTheField) {
  const std::pair<std::string_view, std::string_view> cases[] = {
      {R"([1])", "JSON object"},
      {R"({})", "\"inputs\" is missing"},
      {R"({"inputs":null})", "\"inputs\" is missing"},
      {R"({"inputs":1})", "\"inputs\" must be"},
      {R"({"inputs":{"a":1}})", "\"inputs\" must be"},
      {R"({"inputs":["a",1]})", "\"inputs\" must be"},
      {R"({"inputs":[1,"a"]})", "item 1"},
      {R"({"inputs":[-1]})", "item 0"},
      {R"({"inputs":[1,2.5]})", "item 1"},
      {R"({"inputs":[2147483648]})", "item 0"},
      {R"({"inputs":[18446744073709551615]})", "item 0"},
      {R"({"inputs":[["a"]]})", "item 0"},
      {R"({"inputs":"a","truncate":1})", "\"truncate\" must be true, false or \"average\""},
      {R"({"inputs":"a","truncate":"mean"})", "\"truncate\" must be true, false or \"average\""},
      {R"({"inputs":"a","truncation_direction":"up"})", "\"truncation_direction\" must be"},
      {R"({"inputs":"a","prompt_name":1})", "\"prompt_name\" must be a string"},
      {R"({"inputs":"a","normalize":"yes"})", "\"normalize\" must be a boolean"},
      {R"({"inputs":"a","dimensions":"3"})", "\"dimensions\" must be an integer"},
      {R"({"inputs":"a","dimensions":1.5})", "\"dimensions\" must be an integer"},
  };
  for (const auto& [body, message] : cases) {
    SCOPED_TRACE(body);
    expect_error(parse_embed_request(body), StatusCode::kInvalidArgument, message);
  }
}

TEST(HttpBodies, WhatBecomesOfOverLongTextsHasThreeNames) {
  const auto over_long = [](const std::string& truncate) {
    return parse_embed_request(R"({"inputs":"a","truncate":)" + truncate + "}")->options.over_long;
  };
  EXPECT_EQ(over_long("true"), OverLong::kTruncate);
  EXPECT_EQ(over_long("false"), OverLong::kError);
  EXPECT_EQ(over_long("\"average\""), OverLong::kAverage);
}

// Values that the engine refuses must reach it as something it refuses.
TEST(HttpBodies, DimensionsKeepTheirSign) {
  EXPECT_EQ(parse_embed_request(R"({"inputs":"a","dimensions":0})")->dimensions, 0);
  EXPECT_EQ(parse_embed_request(R"({"inputs":"a","dimensions":-7})")->dimensions, -7);
  EXPECT_GT(*parse_embed_request(R"({"inputs":"a","dimensions":99999999999})")->dimensions,
            1 << 30);
  EXPECT_GT(*parse_embed_request(R"({"inputs":"a","dimensions":1e30})")->dimensions, 1 << 30);
  EXPECT_LT(*parse_embed_request(R"({"inputs":"a","dimensions":-99999999999})")->dimensions, 0);
}

TEST(HttpBodies, OpenAi) {
  const auto defaults = parse_openai_embeddings_request(R"({"input":"a","model":"m","user":"u"})");
  ASSERT_TRUE(defaults.ok());
  EXPECT_EQ(defaults->encoding_format, EncodingFormat::kFloat);
  const auto all = parse_openai_embeddings_request(
      R"({"input":[[1],[2]],"encoding_format":"base64","dimensions":2})");
  ASSERT_TRUE(all.ok());
  EXPECT_EQ(all->encoding_format, EncodingFormat::kBase64);
  EXPECT_EQ(all->dimensions, 2);
  EXPECT_EQ(all->input.items.size(), 2u);
  expect_error(parse_openai_embeddings_request(R"({"input":"a","encoding_format":"hex"})"),
               StatusCode::kInvalidArgument, "\"encoding_format\"");
  expect_error(parse_openai_embeddings_request(R"({"inputs":"a"})"), StatusCode::kInvalidArgument,
               "\"input\" is missing");
}

TEST(HttpBodies, Tokenize) {
  const auto body = parse_tokenize_request(R"({"inputs":["a","b"],"add_special_tokens":false})");
  ASSERT_TRUE(body.ok());
  EXPECT_EQ(body->texts, (std::vector<std::string>{"a", "b"}));
  EXPECT_FALSE(body->add_special_tokens);
  EXPECT_TRUE(parse_tokenize_request(R"({"inputs":"a"})")->add_special_tokens);
  expect_error(parse_tokenize_request(R"({"inputs":[1,2]})"), StatusCode::kInvalidArgument,
               "\"inputs\"");
}

TEST(HttpBodies, Decode) {
  const auto one = parse_decode_request(R"({"ids":[1,2]})");
  ASSERT_TRUE(one.ok());
  EXPECT_EQ(one->ids, (std::vector<Ids>{{1, 2}}));
  EXPECT_TRUE(one->skip_special_tokens);
  const auto many = parse_decode_request(R"({"ids":[[1],[2,3]],"skip_special_tokens":false})");
  ASSERT_TRUE(many.ok());
  EXPECT_EQ(many->ids, (std::vector<Ids>{{1}, {2, 3}}));
  EXPECT_FALSE(many->skip_special_tokens);
  expect_error(parse_decode_request(R"({"ids":"a"})"), StatusCode::kInvalidArgument, "\"ids\"");
}

}  // namespace
}  // namespace wde::http
