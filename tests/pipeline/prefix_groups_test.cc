#include "pipeline/prefix_groups.h"

#include <gtest/gtest.h>

namespace wde::pipeline {
namespace {

std::vector<schema::SchedulableRequest> requests_of(
    const std::vector<std::vector<int32_t>>& texts) {
  std::vector<schema::SchedulableRequest> requests;
  for (const std::vector<int32_t>& ids : texts) {
    schema::SchedulableRequest& request = requests.emplace_back();
    request.ids = ids;
    request.type_ids.resize(ids.size());
  }
  return requests;
}

TEST(PrefixGroups, GroupsWhatBeginsAlike) {
  auto requests = requests_of({{5, 6, 7, 1}, {9, 9}, {5, 6, 8}, {5, 6, 7, 2}});
  const std::vector<PrefixGroup> groups = group_by_prefix(requests, 2);
  ASSERT_EQ(groups.size(), 2u);
  EXPECT_EQ(groups[0].count, 3u);
  EXPECT_EQ(groups[0].shared, 2);
  EXPECT_EQ(groups[1].count, 1u);
  EXPECT_EQ(groups[1].shared, 0);
  EXPECT_EQ(requests[3].ids, (std::vector<int32_t>{9, 9}));
}

TEST(PrefixGroups, EveryTextKeepsATokenOfItsOwn) {
  auto requests = requests_of({{1, 2, 3, 4}, {1, 2, 3, 4}, {1, 2, 3, 4, 5}});
  const std::vector<PrefixGroup> groups = group_by_prefix(requests, 1);
  ASSERT_EQ(groups.size(), 1u);
  EXPECT_EQ(groups[0].shared, 3);
}

// A longer prefix of fewer texts, where that saves more.
TEST(PrefixGroups, DoesNotTradeALongPrefixForAShortOne) {
  auto requests =
      requests_of({{1, 2, 3, 4, 5, 6, 7, 8, 0}, {1, 2, 3, 4, 5, 6, 7, 8, 1}, {1, 2, 9}});
  const std::vector<PrefixGroup> groups = group_by_prefix(requests, 1);
  ASSERT_EQ(groups.size(), 2u);
  EXPECT_EQ(groups[0].shared, 8);
}

// Where the answer is that of the last token that is no padding (9), that one is never shared.
TEST(PrefixGroups, TheTokenThatAnswersIsNotShared) {
  auto requests = requests_of({{1, 2, 3, 9, 9}, {1, 2, 3, 9, 9, 9}, {1, 2, 3, 9, 4}});
  const std::vector<PrefixGroup> groups = group_by_prefix(requests, 1, 9);
  ASSERT_EQ(groups.size(), 1u);
  EXPECT_EQ(groups[0].count, 3u);
  EXPECT_EQ(groups[0].shared, 2);
  EXPECT_EQ(group_by_prefix(requests, 1).front().shared, 4);
  auto nothing_else = requests_of({{9, 9, 9}, {9, 9, 9}});
  EXPECT_EQ(group_by_prefix(nothing_else, 1, 9).front().shared, 0);
}

TEST(PrefixGroups, OtherTypesAreOtherTokens) {
  auto requests = requests_of({{1, 2, 3}, {1, 2, 4}});
  requests[0].type_ids[1] = 1;
  const std::vector<PrefixGroup> groups = group_by_prefix(requests, 1);
  ASSERT_EQ(groups.size(), 1u);
  EXPECT_EQ(groups[0].shared, 1);
}

}  // namespace
}  // namespace wde::pipeline
