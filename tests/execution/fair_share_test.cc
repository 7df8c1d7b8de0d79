#include "execution/fair_share.h"

#include <gtest/gtest.h>

namespace wde::execution {
namespace {

using std::chrono::milliseconds;

TEST(FairShare, WhoeverComesFirstPasses) {
  const Clock::time_point begin = Clock::now();
  EXPECT_TRUE(FairShare(begin).others_may_pass(begin));
}

TEST(FairShare, OthersHaveNoMoreTimeThanTheTextItself) {
  const Clock::time_point begin = Clock::now();
  FairShare share(begin);
  share.passed(milliseconds(30));
  EXPECT_FALSE(share.others_may_pass(begin + milliseconds(40)));  // of which the text had 10
  EXPECT_FALSE(share.others_may_pass(begin + milliseconds(59)));
  EXPECT_TRUE(share.others_may_pass(begin + milliseconds(60)));
  share.passed(milliseconds(1));
  EXPECT_FALSE(share.others_may_pass(begin + milliseconds(61)));
}

// A text of 100 chunks that need 10 ms each, beside batches that never end: twice the time.
TEST(FairShare, NoStreamOfOthersStarvesTheText) {
  for (const int batch_ms : {1, 10, 25}) {
    Clock::time_point now = Clock::now();
    const Clock::time_point begin = now;
    FairShare share(begin);
    for (int chunk = 0; chunk < 100; ++chunk) {
      now += milliseconds(10);
      if (!share.others_may_pass(now)) continue;
      now += milliseconds(batch_ms);
      share.passed(milliseconds(batch_ms));
    }
    EXPECT_LE(now - begin, milliseconds(2 * 1000 + batch_ms)) << batch_ms;
  }
}

}  // namespace
}  // namespace wde::execution
