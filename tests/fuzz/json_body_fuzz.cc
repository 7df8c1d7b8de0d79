// Any bytes as the body of every route that takes one: a Status with a message, or values that keep
// the parser's promises.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/status.h"
#include "entrypoints/http/bodies.h"

namespace {

using namespace wde;

void check_inputs(const http::InputList& inputs) {
  WDE_CHECK(!inputs.items.empty());
  WDE_CHECK(inputs.batch || inputs.items.size() == 1);
}

template <typename T>
bool parsed(const Result<T>& result) {
  WDE_CHECK(result.ok() || !result.status().message().empty());
  return result.ok();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view body(reinterpret_cast<const char*>(data), size);
  const auto embed = http::parse_embed_request(body);
  if (parsed(embed)) check_inputs(embed->inputs);
  const auto embed_all = http::parse_embed_all_request(body);
  if (parsed(embed_all)) check_inputs(embed_all->inputs);
  const auto openai = http::parse_openai_embeddings_request(body);
  if (parsed(openai)) check_inputs(openai->input);
  const auto tokenize = http::parse_tokenize_request(body);
  if (parsed(tokenize)) WDE_CHECK(!tokenize->texts.empty());
  const auto decode = http::parse_decode_request(body);
  if (parsed(decode)) WDE_CHECK(!decode->ids.empty());
  const auto hybrid = http::parse_hybrid_request(body);
  if (parsed(hybrid)) check_inputs(hybrid->inputs);
  const auto rerank = http::parse_rerank_request(body);
  if (parsed(rerank)) WDE_CHECK(!rerank->texts.empty());
  const auto predict = http::parse_predict_request(body);
  if (parsed(predict)) check_inputs(predict->inputs);
  const auto predict_tokens = http::parse_predict_tokens_request(body);
  if (parsed(predict_tokens)) check_inputs(predict_tokens->inputs);
  const auto similarity = http::parse_similarity_request(body);
  if (parsed(similarity)) WDE_CHECK(!similarity->sentences.empty());
  return 0;
}
