// The handlers that the route table names, one source file per family.
#pragma once

#include "entrypoints/http/service.h"

namespace wde::http {

// tei_routes.cc
void handle_embed(Service& service, const HttpRequest& request, std::shared_ptr<Reply> reply);
void handle_embed_all(Service& service, const HttpRequest& request, std::shared_ptr<Reply> reply);

void handle_embed_sparse(Service& service, const HttpRequest& request,
                         std::shared_ptr<Reply> reply);
void handle_embed_hybrid(Service& service, const HttpRequest& request,
                         std::shared_ptr<Reply> reply);

// scoring_routes.cc
void handle_rerank(Service& service, const HttpRequest& request, std::shared_ptr<Reply> reply);
void handle_predict(Service& service, const HttpRequest& request, std::shared_ptr<Reply> reply);
void handle_predict_tokens(Service& service, const HttpRequest& request,
                           std::shared_ptr<Reply> reply);
void handle_similarity(Service& service, const HttpRequest& request, std::shared_ptr<Reply> reply);

// root_route.cc: what the model is for.
void handle_root(Service& service, const HttpRequest& request, std::shared_ptr<Reply> reply);

// tokenizer_routes.cc
void handle_tokenize(Service& service, const HttpRequest& request, std::shared_ptr<Reply> reply);
void handle_decode(Service& service, const HttpRequest& request, std::shared_ptr<Reply> reply);

// openai_routes.cc
void handle_openai_embeddings(Service& service, const HttpRequest& request,
                              std::shared_ptr<Reply> reply);
void handle_openai_models(Service& service, const HttpRequest& request,
                          std::shared_ptr<Reply> reply);

// meta_routes.cc
void handle_info(Service& service, const HttpRequest& request, std::shared_ptr<Reply> reply);
void handle_health(Service& service, const HttpRequest& request, std::shared_ptr<Reply> reply);
void handle_metrics(Service& service, const HttpRequest& request, std::shared_ptr<Reply> reply);
void handle_openapi(Service& service, const HttpRequest& request, std::shared_ptr<Reply> reply);
void handle_docs(Service& service, const HttpRequest& request, std::shared_ptr<Reply> reply);

}  // namespace wde::http
