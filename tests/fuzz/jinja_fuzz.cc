// Any bytes as a chat template, and behind the first NUL byte, JSON as what it may read: a Status
// with a message, or a text within the limits; the same one each time.
#include <string_view>

#include "base/json.h"
#include "base/status.h"
#include "pipeline/jinja/template.h"

namespace {

using namespace wde;

json::object variables_from(std::string_view text) {
  const auto parsed = json::parse(text);
  if (parsed.ok() && parsed->is_object()) return parsed->as_object();
  return {{"messages", json::array{{{"role", "query"}, {"content", "boats é"}},
                                   {{"role", "document"}, {"content", "bread & boats"}}}},
          {"bos_token", "<s>"},
          {"n", 3}};
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const size_t cut = bytes.find('\0');
  const auto parsed = pipeline::jinja::Template::parse(bytes.substr(0, cut));
  if (!parsed.ok()) {
    WDE_CHECK(!parsed.status().message().empty());
    return 0;
  }
  const json::object variables =
      variables_from(cut == bytes.npos ? std::string_view() : bytes.substr(cut + 1));
  const auto text = parsed->render(variables);
  WDE_CHECK(text.ok() || !text.status().message().empty());
  // 16 MiB, and 128 times what the variables hold (budget.h): no input is longer than 4 KiB.
  if (text.ok()) WDE_CHECK(text->size() <= (size_t{16} << 20) + 128 * size + 4096);
  return 0;
}
