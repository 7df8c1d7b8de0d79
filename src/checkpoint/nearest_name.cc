#include "checkpoint/nearest_name.h"

#include <fmt/core.h>

#include <algorithm>
#include <limits>
#include <numeric>
#include <vector>

namespace wde::checkpoint {
namespace {

constexpr size_t kMaxNames = 4096;
constexpr size_t kMaxLength = 256;

// Levenshtein distance, one row at a time.
size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), size_t{0});
  for (size_t i = 0; i < a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i + 1;
    for (size_t j = 0; j < b.size(); ++j) {
      const size_t substituted = diagonal + (a[i] == b[j] ? 0 : 1);
      diagonal = row[j + 1];
      row[j + 1] = std::min({substituted, row[j] + 1, row[j + 1] + 1});
    }
  }
  return row.back();
}

// Whether `name` is "prefix.end".
bool has_last_components(std::string_view name, std::string_view end) {
  return name.size() > end.size() && name.ends_with(end) &&
         name[name.size() - end.size() - 1] == '.';
}

size_t distance(std::string_view wanted, std::string_view name) {
  const bool same_end = has_last_components(wanted, name) || has_last_components(name, wanted);
  return same_end ? 1 : edit_distance(wanted, name);
}

}  // namespace

std::string nearest_name_hint(std::string_view wanted, std::span<const std::string> names) {
  if (wanted.empty() || wanted.size() > kMaxLength) return "";
  size_t best_distance = std::numeric_limits<size_t>::max();
  std::string_view best;
  for (const std::string& name : names.first(std::min(names.size(), kMaxNames))) {
    if (name.size() > kMaxLength) continue;
    const size_t found = distance(wanted, name);
    if (found < best_distance) {
      best_distance = found;
      best = name;
    }
  }
  if (best_distance > std::max<size_t>(2, wanted.size() / 3)) return "";
  return fmt::format("; the nearest is \"{}\"", best);
}

}  // namespace wde::checkpoint
