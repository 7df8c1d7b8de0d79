// TEI's /tokenize and /decode: the tokenizer works at once and may take long, so off the
// connection's thread.
#include <fmt/ranges.h>

#include <algorithm>

#include "base/json.h"
#include "base/status.h"
#include "entrypoints/http/bodies.h"
#include "entrypoints/http/handlers.h"

namespace wde::http {
namespace {

Status check_batch_size(const Service& service, size_t size) {
  const size_t limit = static_cast<size_t>(service.options.max_client_batch_size);
  if (size <= limit) return {};
  return invalid_argument_error("batch size {} > maximum allowed batch size {}", size, limit);
}

// Walks a text by code points: the pieces must be asked for in the order of their begin, overlaps
// allowed.
class CodePointSlicer {
 public:
  explicit CodePointSlicer(std::string_view text) : text_(text) {}

  // Code points [begin, end) of the text.
  std::string_view slice(int begin, int end) {
    if (begin < point_) byte_ = 0, point_ = 0;
    advance_to(begin);
    const size_t first = byte_;
    const int first_point = point_;
    advance_to(end);
    const std::string_view piece = text_.substr(first, byte_ - first);
    byte_ = first;
    point_ = first_point;
    return piece;
  }

 private:
  void advance_to(int point) {
    for (; point_ < point && byte_ < text_.size(); ++point_) {
      do {
        ++byte_;
      } while (byte_ < text_.size() && (static_cast<unsigned char>(text_[byte_]) & 0xC0) == 0x80);
    }
  }

  std::string_view text_;
  size_t byte_ = 0;
  int point_ = 0;
};

// As TEI does: the text of a special token is its name, of another one what it stands for in the
// input.
void append_tokens(std::string& out, std::string_view text, const std::vector<Token>& tokens) {
  CodePointSlicer slicer(text);
  out += '[';
  for (const Token& token : tokens) {
    out += fmt::format("{}{{\"id\":{},\"text\":", out.back() == '[' ? "" : ",", token.id);
    json::append_string(
        out, token.special ? std::string_view(token.text) : slicer.slice(token.begin, token.end));
    if (token.special) {
      out += ",\"special\":true,\"start\":null,\"stop\":null}";
    } else {
      out += fmt::format(",\"special\":false,\"start\":{},\"stop\":{}}}", token.begin, token.end);
    }
  }
  out += ']';
}

// What is put before every text: as TEI does, its tokens are told like those of the text.
Result<std::string> prompt_of(const ModelInfo& model, const TokenizeBody& body) {
  if (!body.prompt_name) return std::string();
  const auto& names = model.prompt_names;
  const auto found = std::find(names.begin(), names.end(), *body.prompt_name);
  if (found != names.end()) return model.prompts.at(static_cast<size_t>(found - names.begin()));
  return invalid_argument_error("unknown \"prompt_name\" \"{}\"; this model has: {}",
                                *body.prompt_name,
                                names.empty() ? "none" : fmt::format("{}", fmt::join(names, ", ")));
}

Result<std::string> tokenize(const Service& service, const TokenizeBody& body) {
  WDE_RETURN_IF_ERROR(check_batch_size(service, body.texts.size()));
  WDE_ASSIGN_OR_RETURN(const std::string prompt, prompt_of(service.engine.info(), body));
  std::string out;
  for (const std::string& given : body.texts) {
    const std::string text = prompt + given;
    WDE_ASSIGN_OR_RETURN(const std::vector<Token> tokens,
                         service.engine.tokenizer().tokenize(text, body.add_special_tokens));
    out += out.empty() ? '[' : ',';
    append_tokens(out, text, tokens);
  }
  return out += ']';
}

Result<std::string> decode(const Service& service, const DecodeBody& body) {
  WDE_RETURN_IF_ERROR(check_batch_size(service, body.ids.size()));
  std::string out;
  for (const std::vector<int32_t>& ids : body.ids) {
    WDE_ASSIGN_OR_RETURN(const std::string text,
                         service.engine.tokenizer().decode(ids, body.skip_special_tokens));
    out += out.empty() ? '[' : ',';
    json::append_string(out, text);
  }
  return out += ']';
}

template <class Body>
void answer_with(Service& service, Result<Body> body,
                 Result<std::string> (*compute)(const Service&, const Body&), Reply& reply) {
  if (!body.ok()) {
    reply.answer(Work::kShort, [status = body.status()] {
      return body_error_response(ErrorStyle::kTei, status);
    });
    return;
  }
  reply.answer(Work::kLong, [&service, compute, body = std::move(body).value()] {
    Result<std::string> answer = compute(service, body);
    if (!answer.ok()) return error_response(ErrorStyle::kTei, answer.status());
    HttpResponse response;
    response.body = std::move(answer).value();
    return response;
  });
}

}  // namespace

void handle_tokenize(Service& service, const HttpRequest& request, std::shared_ptr<Reply> reply) {
  answer_with(service, parse_tokenize_request(request.body), tokenize, *reply);
}

void handle_decode(Service& service, const HttpRequest& request, std::shared_ptr<Reply> reply) {
  answer_with(service, parse_decode_request(request.body), decode, *reply);
}

}  // namespace wde::http
