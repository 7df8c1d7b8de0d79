// The JSON forms that answers have in every entry point: rows of vectors, sparse vectors, labels,
// spans.
#pragma once

#include <fmt/core.h>

#include <span>
#include <string>

#include "base/json.h"
#include "wde/types.h"

namespace wde::entrypoints {

// "[f,…],[f,…]": the rows, without brackets around them.
inline void append_rows(std::string& out, std::span<const float> values, int64_t columns) {
  const auto width = static_cast<size_t>(columns);
  for (size_t at = 0; at < values.size(); at += width) {
    if (at != 0) out += ',';
    json::append_array(out, values.subspan(at, width));
  }
}

// [{"index":i,"value":v},…]
inline void append_sparse(std::string& out, const SparseVector& sparse) {
  out += '[';
  for (size_t i = 0; i < sparse.indices.size(); ++i) {
    out += fmt::format("{}{{\"index\":{},\"value\":", i == 0 ? "" : ",", sparse.indices[i]);
    json::append_number(out, sparse.values[i]);
    out += '}';
  }
  out += ']';
}

// [{"label":l,"score":s},…]
inline void append_labels(std::string& out, std::span<const LabelScore> labels) {
  out += '[';
  for (const LabelScore& label : labels) {
    out += out.back() == '[' ? "{\"label\":" : ",{\"label\":";
    json::append_string(out, label.label);
    out += ",\"score\":";
    json::append_number(out, label.score);
    out += '}';
  }
  out += ']';
}

// [{"start":b,"end":e,"label":l,"score":s,"text":t},…]
inline void append_spans(std::string& out, std::span<const LabelledSpan> spans) {
  out += '[';
  for (const LabelledSpan& span : spans) {
    out += fmt::format("{}{{\"start\":{},\"end\":{},\"label\":", out.back() == '[' ? "" : ",",
                       span.begin, span.end);
    json::append_string(out, span.label);
    out += ",\"score\":";
    json::append_number(out, span.score);
    out += ",\"text\":";
    json::append_string(out, span.text);
    out += '}';
  }
  out += ']';
}

}  // namespace wde::entrypoints
