#include "heads/hidden_head.h"

#include <gtest/gtest.h>

#include "head_runner.h"

namespace wde::heads {
namespace {

using test::HeadRunner;
using test::Hidden;

const Hidden kHidden = {
    .columns = 2, .values = {1, -2, 0.5f, 4, 3, 0.25f}, .lengths = {2, 1}, .skip = {1, 0}};

TEST(HiddenHead, ARowATokenOfTheModelsSize) {
  const HiddenHead head(24);
  EXPECT_EQ(head.rows(), Rows::kPerToken);
  EXPECT_EQ(head.columns(), 24);
}

TEST(HiddenHead, GivesEveryTokenThePromptsTooInF32) {
  for (const char* device : {"cpu", "emulated"}) {
    SCOPED_TRACE(device);
    EXPECT_EQ(HeadRunner(device).run(HiddenHead(2), kHidden), kHidden.values);
    EXPECT_EQ(HeadRunner(device).run(HiddenHead(2), kHidden, DType::kBF16), kHidden.values);
  }
}

}  // namespace
}  // namespace wde::heads
