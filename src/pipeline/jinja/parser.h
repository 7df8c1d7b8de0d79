// From a template's text to its nodes: the part of Jinja that chat templates are written in.
#pragma once

#include <string_view>

#include "base/status.h"
#include "pipeline/jinja/syntax.h"

namespace wde::pipeline::jinja {

// Errors: kDataLoss (not well-formed), kUnsupported (a statement of Jinja's that is not known
// here: macro, include, …); each names the line.
Result<Nodes> parse_template(std::string_view source);

}  // namespace wde::pipeline::jinja
