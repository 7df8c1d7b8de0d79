#include "base/status.h"

#include <gtest/gtest.h>

#include <memory>
#include <set>

namespace wde {
namespace {

Result<int> parse_positive(int number) {
  if (number <= 0) return invalid_argument_error("{} is not positive", number);
  return number;
}

Status need_positive(int number, int* out) {
  WDE_ASSIGN_OR_RETURN(*out, parse_positive(number));
  WDE_RETURN_IF_ERROR(parse_positive(number - 1).status());
  return Status();
}

TEST(Status, CarriesContext) {
  const Status status = parse_positive(-3).status().with_context("--threads");
  EXPECT_EQ(status.code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(status.message(), "--threads: -3 is not positive");
  EXPECT_TRUE(Status().with_context("x").ok());
}

TEST(Status, MacrosReturnEarly) {
  int out = 0;
  EXPECT_TRUE(need_positive(2, &out).ok());
  EXPECT_EQ(out, 2);
  EXPECT_EQ(need_positive(1, &out).message(), "0 is not positive");
  EXPECT_EQ(need_positive(0, &out).message(), "0 is not positive");
}

TEST(Status, EveryCodeHasItsName) {
  std::set<std::string_view> names;
  for (int code = 0; code <= static_cast<int>(StatusCode::kInternal); ++code) {
    names.insert(status_code_name(static_cast<StatusCode>(code)));
  }
  EXPECT_EQ(names.size(), static_cast<size_t>(StatusCode::kInternal) + 1);
  EXPECT_FALSE(names.contains("unknown"));
}

TEST(Result, MovesOutWhatCannotBeCopied) {
  Result<std::unique_ptr<int>> result(std::make_unique<int>(5));
  const std::unique_ptr<int> taken = std::move(result).value();
  EXPECT_EQ(*taken, 5);
}

TEST(ResultDeathTest, ValueOfAnErrorAborts) {
  EXPECT_DEATH((void)parse_positive(0).value(), "invalid_argument.*0 is not positive");
}

}  // namespace
}  // namespace wde
