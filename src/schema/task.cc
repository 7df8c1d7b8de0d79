#include <algorithm>
#include <array>

#include "wde/types.h"

namespace wde {
namespace {

constexpr auto kTasks =
    std::to_array({Task::kEmbed, Task::kHidden, Task::kMultiVector, Task::kSparse, Task::kHybrid,
                   Task::kRerank, Task::kClassify, Task::kClassifyTokens});
constexpr auto kTaskNames =
    std::to_array<std::string_view>({"embed", "hidden", "multivector", "sparse", "hybrid", "rerank",
                                     "classify", "classify-tokens"});
static_assert(kTasks.size() == kTaskNames.size());
constexpr auto kAggregationNames =
    std::to_array<std::string_view>({"none", "simple", "first", "average", "max"});

// The value whose place in the enum is the name's.
template <class Enum, class Names>
std::optional<Enum> parse(const Names& names, std::string_view name) {
  const auto found = std::find(names.begin(), names.end(), name);
  if (found == names.end()) return std::nullopt;
  return static_cast<Enum>(found - names.begin());
}

}  // namespace

std::span<const Task> all_tasks() { return kTasks; }

std::string_view task_name(Task task) { return kTaskNames.at(static_cast<size_t>(task)); }

std::optional<Task> parse_task(std::string_view name) { return parse<Task>(kTaskNames, name); }

std::optional<Aggregation> parse_aggregation(std::string_view name) {
  return parse<Aggregation>(kAggregationNames, name);
}

}  // namespace wde
