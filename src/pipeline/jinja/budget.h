// What one rendering may take: a template comes with a model, and a hostile one must end.
#pragma once

#include <cstdint>

#include "base/json.h"
#include "base/status.h"
#include "pipeline/jinja/values.h"

namespace wde::pipeline::jinja {

// Counts steps (nodes run and evaluated) and what they make: bytes of text, and elements of lists
// and members of objects. A value counts each time one is made, copies too; of the variables that a
// caller gives, long ones raise the limits, as templates copy them. Every charge errs with
// kDataLoss beyond a limit, naming it. Of one rendering, and one thread.
class Budget {
 public:
  explicit Budget(const json::object& variables);

  Status take_steps(int64_t count);
  Status take_bytes(size_t count);
  Status take_elements(size_t count);
  // All of a value, `times` over. Also errs for one nested too deep: values end by recursion.
  Status take_value(const Value& value, size_t times = 1);

 private:
  int64_t steps_, bytes_, elements_;  // what is left
};

}  // namespace wde::pipeline::jinja
