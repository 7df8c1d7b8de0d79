// POST /: what the model is for, by the first task that it serves.
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

}  // namespace

void handle_root(Service& service, const HttpRequest& request, std::shared_ptr<Reply> reply) {
  for (const TaskRoute& route : kTaskRoutes) {
    if (serves(service, route.task)) return route.handler(service, request, std::move(reply));
  }
  handle_embed_all(service, request, std::move(reply));
}

}  // namespace wde::http
