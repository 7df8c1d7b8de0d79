#include "base/env.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <set>

namespace wde::env {
namespace {

class EnvTest : public testing::Test {
 protected:
  void TearDown() override { ::unsetenv("WDE_LOG"); }
  static void set(const char* value) { ::setenv("WDE_LOG", value, 1); }
};

TEST_F(EnvTest, UnsetAndEmptyAreAbsent) {
  ::unsetenv("WDE_LOG");
  EXPECT_FALSE(get("WDE_LOG").has_value());
  set("");
  EXPECT_FALSE(get("WDE_LOG").has_value());
  EXPECT_FALSE(get_flag("WDE_LOG"));
}

TEST_F(EnvTest, GivesTheValueVerbatim) {
  set(" debug ");
  EXPECT_EQ(get("WDE_LOG"), " debug ");
}

TEST_F(EnvTest, FlagsAreTrueInFourSpellings) {
  for (const char* truth : {"1", "true", "True", "YES", "on", "ON"}) {
    set(truth);
    EXPECT_TRUE(get_flag("WDE_LOG")) << truth;
  }
  for (const char* other : {"0", "false", "no", "off", "2", "truer", "tru"}) {
    set(other);
    EXPECT_FALSE(get_flag("WDE_LOG")) << other;
  }
}

TEST_F(EnvTest, EveryVariableHasHelpAndStandsOnce) {
  std::set<std::string_view> names;
  for (const Variable& variable : known_variables()) {
    EXPECT_FALSE(variable.help.empty()) << variable.name;
    EXPECT_TRUE(names.insert(variable.name).second) << variable.name;
  }
  for (const char* expected :
       {"HF_HOME", "HF_TOKEN", "HF_ENDPOINT", "HF_HUB_OFFLINE", "HF_HUB_CACHE"}) {
    EXPECT_TRUE(names.count(expected) == 1) << expected;
  }
}

TEST_F(EnvTest, AskingForAnUnknownVariableAborts) {
  EXPECT_DEATH((void)get("WDE_NO_SUCH_VARIABLE"), "is_known");
}

}  // namespace
}  // namespace wde::env
