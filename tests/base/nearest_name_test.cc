#include "base/nearest_name.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace wde {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

TEST(NearestName, CountsKeystrokes) {
  EXPECT_EQ(edit_distance("", "abc"), 3u);
  EXPECT_EQ(edit_distance("abc", ""), 3u);
  EXPECT_EQ(edit_distance("embed", "embed"), 0u);
  EXPECT_EQ(edit_distance("embde", "embed"), 1u);
  EXPECT_EQ(edit_distance("ca", "abc"), 3u);
  EXPECT_EQ(edit_distance("kitten", "sitting"), 3u);
}

TEST(NearestName, NamesOnlyWhatIsNear) {
  const std::vector<std::string> known = {"embed", "hidden", "--dimensions", "--dtype"};
  EXPECT_THAT(nearest_names("embd", known, 3), ElementsAre("embed"));
  EXPECT_THAT(nearest_names("--dimesnion", known, 3), ElementsAre("--dimensions"));
  EXPECT_THAT(nearest_names("xyzzy", known, 3), IsEmpty());
  EXPECT_THAT(nearest_names(std::string(100'000, 'x'), known, 3), IsEmpty());
}

TEST(NearestName, TheNearestFirstAndNoMoreThanAsked) {
  const std::vector<std::string> known = {"abcxx", "abcdx", "abcde", "abcdf"};
  EXPECT_THAT(nearest_names("abcde", known, 3), ElementsAre("abcde", "abcdx", "abcdf"));
}

TEST(NearestName, ATensorWithThatEndIsVeryNear) {
  const std::vector<std::string> names = {"encoder.layer.1.y", "bert.encoder.layer.0.x"};
  EXPECT_EQ(nearest_name_hint("encoder.layer.0.x", names),
            "; the nearest is \"bert.encoder.layer.0.x\"");
  EXPECT_EQ(nearest_name_hint("nothing like it", names), "");
}

}  // namespace
}  // namespace wde
