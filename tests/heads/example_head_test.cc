#include "example_head.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "head_runner.h"

namespace wde::heads::example {
namespace {

TEST(FirstLastHead, OnTheCpuAndWhereTheHostCantReach) {
  const test::Hidden hidden{
      .columns = 2, .values = {1, 2, 3, 4, 5, 6, 7, 8}, .lengths = {3, 1}, .skip = {0, 0}};
  for (const char* device : {"cpu", "emulated"}) {
    test::HeadRunner runner(device);
    EXPECT_THAT(runner.run(FirstLastHead(2), hidden), testing::ElementsAre(1, 2, 5, 6, 7, 8, 7, 8));
  }
}

}  // namespace
}  // namespace wde::heads::example
