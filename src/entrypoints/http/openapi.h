// GET /openapi.json and GET /docs, made from the route table, so that neither can forget a route.
#pragma once

#include <span>
#include <string>

#include "entrypoints/http/service.h"

namespace wde::http {

// An OpenAPI 3.0 document of these routes.
std::string openapi_document(std::span<const Route> routes, std::string_view version);

// A page that lists them, with examples to paste into a terminal.
std::string docs_page(std::span<const Route> routes, std::string_view model,
                      std::string_view version);

}  // namespace wde::http
