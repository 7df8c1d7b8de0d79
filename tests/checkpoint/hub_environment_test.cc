#include <gtest/gtest.h>

#include <cstdlib>

#include "checkpoint/hub.h"
#include "temp_folder.h"

namespace wde::checkpoint {
namespace {

class HubEnvironmentTest : public testing::Test {
 protected:
  void SetUp() override { clear(); }
  void TearDown() override { clear(); }

  static void clear() {
    for (const char* name :
         {"HF_HOME", "HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "HF_TOKEN", "HF_TOKEN_PATH",
          "HUGGING_FACE_HUB_TOKEN", "HF_ENDPOINT", "HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE",
          "XDG_CACHE_HOME", "HF_HUB_DOWNLOAD_TIMEOUT"}) {
      ::unsetenv(name);
    }
  }
};

TEST_F(HubEnvironmentTest, Defaults) {
  const std::string home = std::getenv("HOME");
  const HubOptions options = hub_options_from_environment();
  EXPECT_EQ(options.cache, home + "/.cache/huggingface/hub");
  EXPECT_EQ(options.endpoint, "https://huggingface.co");
  EXPECT_FALSE(options.offline);
  ::setenv("XDG_CACHE_HOME", "/x", 1);
  EXPECT_EQ(hub_options_from_environment().cache, "/x/huggingface/hub");
}

TEST_F(HubEnvironmentTest, ReadsHuggingFacesVariables) {
  const test::TempFolder folder;
  folder.write("token", "from file\n");
  ::setenv("HF_HOME", folder.path().c_str(), 1);
  EXPECT_EQ(hub_options_from_environment().cache, folder.path("hub"));
  EXPECT_EQ(hub_options_from_environment().token, "fromfile");
  ::setenv("HF_TOKEN", " hf_x\n", 1);
  ::setenv("HF_HUB_CACHE", "~/cache", 1);
  ::setenv("HF_ENDPOINT", "http://mirror/", 1);
  ::setenv("HF_HUB_OFFLINE", "YES", 1);
  ::setenv("HF_HUB_DOWNLOAD_TIMEOUT", "7", 1);
  const HubOptions options = hub_options_from_environment();
  EXPECT_EQ(options.token, "hf_x");
  EXPECT_EQ(options.cache, std::string(std::getenv("HOME")) + "/cache");
  EXPECT_EQ(options.endpoint, "http://mirror/");
  EXPECT_TRUE(options.offline);
  EXPECT_EQ(options.stall_timeout_s, 7);
}

}  // namespace
}  // namespace wde::checkpoint
