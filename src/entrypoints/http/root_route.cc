// POST /: what the model is for, by the first task that it serves.
#include "base/json.h"
#include "entrypoints/http/body_fields.h"
#include "entrypoints/http/handlers.h"

namespace wde::http {
namespace {

struct TaskRoute {
  Task task;
  Handler handler;
};

constexpr TaskRoute kTaskRoutes[] = {
    {Task::kHybrid, handle_embed},  // a dense vector is what every client of / understands
    {Task::kRerank, handle_rerank},
    {Task::kClassify, handle_predict},
    {Task::kClassifyTokens, handle_predict_tokens},
    {Task::kEmbed, handle_embed},
    {Task::kSparse, handle_embed_sparse},
    {Task::kMultiVector, handle_embed_hybrid},
};

// {"inputs": {"source_sentence": …}}, where no other body has an object: huggingface_hub's
// sentence_similarity sends it to the address that it was given, without a path.
bool asks_for_similarity(std::string_view text) {
  const Result<json::object> body = parse_object(text);
  if (!body.ok()) return false;
  const json::value* inputs = body->if_contains("inputs");
  return inputs != nullptr && inputs->is_object();
}

}  // namespace

void handle_root(Service& service, const HttpRequest& request, std::shared_ptr<Reply> reply) {
  if (serves(service, Task::kEmbed) && asks_for_similarity(request.body)) {
    return handle_similarity(service, request, std::move(reply));
  }
  for (const TaskRoute& route : kTaskRoutes) {
    if (serves(service, route.task)) return route.handler(service, request, std::move(reply));
  }
  handle_embed_all(service, request, std::move(reply));
}

}  // namespace wde::http
