#include "pipeline/multi_vector_request_processor.h"

#include <algorithm>

namespace wde::pipeline {
namespace {

bool makes_vectors(Task task) { return task == Task::kMultiVector || task == Task::kHybrid; }

// A client's own ids are taken as they are.
bool is_marked(const Request& request, const MultiVectorSide& side) {
  return side.marker && !std::holds_alternative<std::vector<int32_t>>(request.input);
}

void insert_marker(int32_t marker, tokenizer::Encoding* encoding) {
  const auto text = std::find(encoding->special_mask.begin(), encoding->special_mask.end(), 0);
  // An empty text has special tokens alone: the marker follows the first, as it would a text's.
  const std::ptrdiff_t at = text == encoding->special_mask.end()
                                ? std::min<std::ptrdiff_t>(1, std::ssize(encoding->ids))
                                : text - encoding->special_mask.begin();
  encoding->ids.insert(encoding->ids.begin() + at, marker);
  encoding->type_ids.insert(encoding->type_ids.begin() + at, 0);
  encoding->special_mask.insert(encoding->special_mask.begin() + at, 1);
}

}  // namespace

void MultiVectorRequestProcessor::prepare(const Request& request,
                                          tokenizer::EncodeOptions* options) const {
  if (!makes_vectors(request.task)) return;
  const MultiVectorSide& side = is_query(request) ? policy_.query : policy_.document;
  if (side.max_length > 0) options->max_length = std::min(options->max_length, side.max_length);
  if (is_marked(request, side)) --options->max_length;
}

void MultiVectorRequestProcessor::expand(tokenizer::Encoding* encoding,
                                         schema::SchedulableRequest* out) const {
  const auto length = static_cast<size_t>(std::min(policy_.expansion->length, limits().max_length));
  if (encoding->ids.size() >= length) return;
  if (!policy_.expansion->attended) out->attended = static_cast<int>(encoding->ids.size());
  encoding->ids.resize(length, policy_.expansion->token);
  encoding->type_ids.resize(length, 0);
}

void MultiVectorRequestProcessor::finish(const Request& request, tokenizer::Encoding* encoding,
                                         schema::SchedulableRequest* out) const {
  if (!makes_vectors(request.task)) return;
  const bool query = is_query(request);
  const MultiVectorSide& side = query ? policy_.query : policy_.document;
  if (is_marked(request, side)) insert_marker(*side.marker, encoding);
  const size_t own = encoding->ids.size();
  if (query && policy_.expansion) expand(encoding, out);
  out->kept.assign(encoding->ids.size(), 1);
  if (policy_.skips_first) out->kept.front() = 0;
  for (size_t i = 0; i < own; ++i) {
    const auto& skipped = side.skipped_ids;
    if (std::binary_search(skipped.begin(), skipped.end(), encoding->ids[i])) out->kept[i] = 0;
  }
}

}  // namespace wde::pipeline
