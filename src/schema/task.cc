#include "wde/types.h"

namespace wde {

std::string_view task_name(Task task) {
  switch (task) {
    case Task::kEmbed:
      return "embed";
    case Task::kHidden:
      return "hidden";
  }
  return "?";
}

}  // namespace wde
