// The part of Jinja (https://jinja.palletsprojects.com, 3.1) that chat templates of tokenizers are
// written in, with the settings and functions that transformers gives it: if, for and set;
// expressions, filters and tests; namespace(), range() and raise_exception(). What is not known is
// refused by its name and line when it is parsed or met. Nothing of a template can reach outside:
// it reads the variables it is given and writes text, within the limits of budget.h.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "base/json.h"
#include "base/status.h"
#include "pipeline/jinja/syntax.h"

namespace wde::pipeline::jinja {

// Immutable; any number of threads may render it at once.
class Template {
 public:
  static constexpr size_t kMaxBytes = size_t{1} << 20;  // of a template's own text

  // Errors: kDataLoss (not well-formed, too long, too deep), kUnsupported; each names the line, but
  // for what is too long.
  static Result<Template> parse(std::string_view source);

  // Errors: kUnsupported as above, kInvalidArgument (what the template itself raises), kDataLoss
  // (an operation that its values do not have, more than budget.h allows); each names the line
  // where known.
  Result<std::string> render(const json::object& variables) const;

 private:
  std::shared_ptr<const Nodes> nodes_;
};

}  // namespace wde::pipeline::jinja
