#include "pipeline/prefix_groups.h"

#include <algorithm>

namespace wde::pipeline {
namespace {

// The index of the token that answers; the first where none counts.
size_t answering_token(const schema::SchedulableRequest& request, int32_t passed_over) {
  size_t last = request.ids.size() - 1;
  while (last > 0 && request.ids[last] == passed_over) --last;
  return last;
}

// Tokens that two texts may share: whole units, all before those that answer.
int shared_tokens(const schema::SchedulableRequest& a, const schema::SchedulableRequest& b,
                  int unit, int32_t passed_over) {
  const size_t limit = std::min(answering_token(a, passed_over), answering_token(b, passed_over));
  size_t length = 0;
  while (length < limit && a.ids[length] == b.ids[length] &&
         a.type_ids[length] == b.type_ids[length]) {
    ++length;
  }
  return static_cast<int>(length) / unit * unit;
}

}  // namespace

std::vector<PrefixGroup> group_by_prefix(std::span<schema::SchedulableRequest> requests, int unit,
                                         int32_t passed_over) {
  std::stable_sort(requests.begin(), requests.end(),
                   [](const auto& a, const auto& b) { return a.ids < b.ids; });
  std::vector<PrefixGroup> groups;
  for (size_t i = 0; i < requests.size(); ++i) {
    if (!groups.empty()) {
      PrefixGroup& group = groups.back();
      const int shared = shared_tokens(requests[i - 1], requests[i], unit, passed_over);
      const int with = group.count == 1 ? shared : std::min(group.shared, shared);
      // What is saved with this text in the group, and without it.
      const int64_t saved = static_cast<int64_t>(group.count) * with;
      if (saved > static_cast<int64_t>(group.count - 1) * group.shared) {
        group.shared = with;
        ++group.count;
        continue;
      }
    }
    groups.push_back({.first = i, .count = 1, .shared = 0});
  }
  return groups;
}

}  // namespace wde::pipeline
