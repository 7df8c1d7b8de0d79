// Whose turn it is between two chunks of a long text: others pass as long as they have had no more
// of the device thread's time than the text itself. So it takes about twice as long as alone at
// most, whatever else arrives, and whoever arrives first behind it waits for one chunk.
#pragma once

#include "wde/types.h"

namespace wde::execution {

class FairShare {
 public:
  // From the beginning of the long text on.
  explicit FairShare(Clock::time_point begin) : begin_(begin) {}

  bool others_may_pass(Clock::time_point now) const { return 2 * others_ <= now - begin_; }
  void passed(Clock::duration took) { others_ += took; }

 private:
  Clock::time_point begin_;
  Clock::duration others_{0};
};

}  // namespace wde::execution
