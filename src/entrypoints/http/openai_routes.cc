// OpenAI's /v1/embeddings and /v1/models.
#include <fmt/core.h>
#include <openssl/evp.h>

#include <bit>

#include "base/json.h"
#include "entrypoints/http/batch_call.h"
#include "entrypoints/http/bodies.h"
#include "entrypoints/http/handlers.h"

namespace wde::http {
namespace {

// Values go out in the host's byte order, which the format wants to be this one.
static_assert(std::endian::native == std::endian::little);

void append_base64(std::string& out, std::span<const float> values) {
  const std::span<const std::byte> bytes = std::as_bytes(values);
  std::string encoded((bytes.size() + 2) / 3 * 4 + 1, '\0');  // EVP_EncodeBlock ends with a NUL
  const int length = EVP_EncodeBlock(reinterpret_cast<unsigned char*>(encoded.data()),
                                     reinterpret_cast<const unsigned char*>(bytes.data()),
                                     static_cast<int>(bytes.size()));
  out += '"';
  out.append(encoded, 0, static_cast<size_t>(length));
  out += '"';
}

void append_embedding(std::string& out, size_t index, const Response& response,
                      EncodingFormat format) {
  out += index == 0 ? "" : ",";
  out += fmt::format("{{\"object\":\"embedding\",\"index\":{},\"embedding\":", index);
  if (format == EncodingFormat::kBase64) {
    append_base64(out, response.values);
  } else {
    json::append_array(out, response.values);
  }
  out += '}';
}

std::string write_list(const BatchResult& result, EncodingFormat format, std::string_view model) {
  std::string out = "{\"object\":\"list\",\"data\":[";
  for (size_t i = 0; i < result.responses.size(); ++i) {
    append_embedding(out, i, result.responses[i], format);
  }
  out += "],\"model\":";
  json::append_string(out, model);
  const int64_t tokens = result.tokens();
  out += fmt::format(",\"usage\":{{\"prompt_tokens\":{},\"total_tokens\":{}}}}}", tokens, tokens);
  return out;
}

std::vector<Request> make_requests(const Service& service, OpenAiEmbeddingsBody& body) {
  std::vector<Request> requests;
  requests.reserve(body.input.items.size());
  for (Input& input : body.input.items) {
    Request request;
    request.input = std::move(input);
    request.over_long = service.options.over_long;
    request.normalize = true;
    request.dimensions = body.dimensions;
    requests.push_back(std::move(request));
  }
  return requests;
}

}  // namespace

void handle_openai_embeddings(Service& service, const HttpRequest& request,
                              std::shared_ptr<Reply> reply) {
  Result<OpenAiEmbeddingsBody> body = parse_openai_embeddings_request(request.body);
  if (!body.ok()) return refuse_body(service, *reply, ErrorStyle::kOpenAi, body.status());
  BatchCall::Call call;
  call.requests = make_requests(service, *body);
  call.batch = body->input.batch;
  call.errors = ErrorStyle::kOpenAi;
  call.arrival = request.arrival;
  call.finish = [format = body->encoding_format, model = service.model_name()](
                    const BatchResult& result) { return write_list(result, format, model); };
  BatchCall::start(service, std::move(call), std::move(reply));
}

void handle_openai_models(Service& service, const HttpRequest&, std::shared_ptr<Reply> reply) {
  reply->answer(Work::kShort, [&service] {
    HttpResponse response;
    response.body = "{\"object\":\"list\",\"data\":[{\"id\":";
    json::append_string(response.body, service.model_name());
    response.body += fmt::format(",\"object\":\"model\",\"created\":{},\"owned_by\":\"wde\"}}]}}",
                                 service.started_unix_s);
    return response;
  });
}

}  // namespace wde::http
