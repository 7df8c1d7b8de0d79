#include "base/nearest_name.h"

#include <fmt/core.h>

#include <algorithm>
#include <numeric>
#include <utility>

namespace wde {
namespace {

constexpr size_t kMaxNames = 4096;
constexpr size_t kMaxLength = 256;

// Whether `name` is "prefix.end".
bool has_last_components(std::string_view name, std::string_view end) {
  return name.size() > end.size() && name.ends_with(end) &&
         name[name.size() - end.size() - 1] == '.';
}

size_t tensor_distance(std::string_view wanted, std::string_view name) {
  const bool same_end = has_last_components(wanted, name) || has_last_components(name, wanted);
  return same_end ? 1 : edit_distance(wanted, name);
}

}  // namespace

// One row of the table at a time, beside the two before it.
size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<size_t> older(b.size() + 1), last(b.size() + 1), row(b.size() + 1);
  std::iota(row.begin(), row.end(), size_t{0});
  for (size_t i = 0; i < a.size(); ++i) {
    std::swap(older, last);
    std::swap(last, row);
    row[0] = i + 1;
    for (size_t j = 0; j < b.size(); ++j) {
      const size_t substituted = last[j] + (a[i] == b[j] ? 0 : 1);
      row[j + 1] = std::min({substituted, row[j] + 1, last[j + 1] + 1});
      if (i > 0 && j > 0 && a[i] == b[j - 1] && a[i - 1] == b[j]) {
        row[j + 1] = std::min(row[j + 1], older[j - 1] + 1);
      }
    }
  }
  return row.back();
}

std::vector<std::string> nearest_names(std::string_view wanted, std::span<const std::string> known,
                                       size_t most, NameDistance distance) {
  if (wanted.empty() || wanted.size() > kMaxLength) return {};
  const size_t farthest = std::max<size_t>(2, wanted.size() / 3);
  std::vector<std::pair<size_t, std::string_view>> near;
  for (const std::string& name : known.first(std::min(known.size(), kMaxNames))) {
    if (name.size() > kMaxLength) continue;
    const size_t found = distance(wanted, name);
    if (found <= farthest) near.emplace_back(found, name);
  }
  std::stable_sort(near.begin(), near.end(),
                   [](const auto& a, const auto& b) { return a.first < b.first; });
  std::vector<std::string> nearest;
  for (const auto& [found, name] : std::span(near).first(std::min(near.size(), most))) {
    nearest.emplace_back(name);
  }
  return nearest;
}

std::string nearest_name_hint(std::string_view wanted, std::span<const std::string> names) {
  const std::vector<std::string> nearest = nearest_names(wanted, names, 1, &tensor_distance);
  return nearest.empty() ? "" : fmt::format("; the nearest is \"{}\"", nearest.front());
}

}  // namespace wde
