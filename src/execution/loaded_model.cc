#include "execution/loaded_model.h"

#include <algorithm>

#include "base/status.h"

namespace wde::execution {

const heads::Head* LoadedModel::add(std::unique_ptr<heads::Head> head) {
  heads.push_back(std::move(head));
  return heads.back().get();
}

const std::vector<const heads::Head*>& LoadedModel::parts(Task task) const {
  const auto found = std::find_if(tasks.begin(), tasks.end(),
                                  [task](const TaskHeads& entry) { return entry.task == task; });
  WDE_CHECK(found != tasks.end());  // the input processor lets only served tasks through
  return found->parts;
}

}  // namespace wde::execution
