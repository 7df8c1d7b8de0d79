#include "checkpoint/hub.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <csignal>
#include <filesystem>
#include <thread>

#include "fake_hub.h"
#include "temp_folder.h"

namespace wde::checkpoint {
namespace {

using test::FakeHub;
using test::Fault;
using testing::HasSubstr;
using testing::Not;

constexpr const char* kWeights = "model.safetensors";
constexpr const char* kConfig = R"({"model_type":"bert"})";

class HubTest : public testing::Test {
 protected:
  HubTest() : weights_(300000, '\0') {
    for (size_t i = 0; i < weights_.size(); ++i)
      weights_[i] = static_cast<char>(i * 2654435761U >> 13);
    hub_.add_file("config.json", kConfig);
    hub_.add_file("1_Pooling/config.json", "{}");
    hub_.add_file("README.md", "not read");
    hub_.add_lfs_file(kWeights, weights_);
    hub_.add_lfs_file("onnx/model.onnx", "not read");
    options_.cache = folder_.path("hub");
    options_.endpoint = hub_.url();
    options_.retry_delay_ms = 1;
    options_.retries = 3;
    options_.stall_timeout_s = 1;
  }

  Result<std::string> resolve() { return resolve_model(FakeHub::kId, options_); }

  std::string model_path(const std::string& relative) const {
    return folder_.path("hub/models--org--model/" + relative);
  }
  std::string incomplete_path() const {
    return model_path("blobs/" + hub_.etag(kWeights) + ".incomplete");
  }

  void expect_complete() {
    const Result<std::string> snapshot = resolve();
    ASSERT_TRUE(snapshot.ok()) << snapshot.status().message();
    EXPECT_EQ(*snapshot, model_path("snapshots/" + hub_.commit()));
    EXPECT_TRUE(test::read_all(*snapshot + "/" + kWeights) == weights_);
    EXPECT_EQ(test::read_all(*snapshot + "/config.json"), kConfig);
    EXPECT_EQ(test::read_all(*snapshot + "/1_Pooling/config.json"), "{}");
    EXPECT_FALSE(std::filesystem::exists(incomplete_path()));
  }

  void expect_failure(StatusCode code, const std::string& part) {
    const Result<std::string> snapshot = resolve();
    ASSERT_FALSE(snapshot.ok()) << part;
    EXPECT_EQ(snapshot.status().code(), code) << snapshot.status().message();
    EXPECT_THAT(snapshot.status().message(), HasSubstr(part));
  }

  std::string weights_;
  test::TempFolder folder_;
  FakeHub hub_;
  HubOptions options_;
};

TEST_F(HubTest, DownloadsIntoTheCacheLayout) {
  expect_complete();
  EXPECT_EQ(test::read_all(model_path("refs/main")), hub_.commit());
  const std::string link = model_path("snapshots/" + hub_.commit() + "/1_Pooling/config.json");
  EXPECT_EQ(std::filesystem::read_symlink(link),
            "../../../blobs/" + hub_.etag("1_Pooling/config.json"));
  EXPECT_EQ(
      std::filesystem::read_symlink(model_path("snapshots/" + hub_.commit() + "/" + kWeights)),
      "../../blobs/" + hub_.etag(kWeights));
  EXPECT_FALSE(std::filesystem::exists(model_path("snapshots/" + hub_.commit() + "/README.md")));
  EXPECT_FALSE(std::filesystem::exists(model_path("snapshots/" + hub_.commit() + "/onnx")));
}

TEST_F(HubTest, ACompleteSnapshotNeedsNoNetwork) {
  expect_complete();
  const size_t requests = hub_.seen().size();
  expect_complete();
  options_.offline = true;
  expect_complete();
  EXPECT_EQ(hub_.seen().size(), requests);
}

TEST_F(HubTest, FillsASnapshotThatLacksAFile) {
  expect_complete();
  std::filesystem::remove(model_path("snapshots/" + hub_.commit() + "/1_Pooling/config.json"));
  expect_complete();
  EXPECT_EQ(hub_.count_content_requests(kWeights), 1U);
}

TEST_F(HubTest, ChecksumsAreAskedForWhereTheListingHasNone) {
  hub_.list_without_blobs();
  expect_complete();
}

TEST_F(HubTest, TheTokenStaysAtItsHost) {
  options_.token = "secret\r\nX-Injected: 1";
  expect_complete();
  size_t at_store = 0;
  for (const test::SeenRequest& request : hub_.seen()) {
    EXPECT_EQ(request.authorization, request.at_store ? "" : "Bearer secretX-Injected:1")
        << request.target;
    at_store += request.at_store ? 1 : 0;
  }
  EXPECT_EQ(at_store, 1U);
}

TEST_F(HubTest, GoesOnWhereAConnectionBroke) {
  hub_.add_fault(kWeights, {Fault::Kind::kDropAfter, 100000});
  hub_.add_fault(kWeights, {Fault::Kind::kDropAfter, 100000});
  expect_complete();
  std::vector<std::string> ranges;
  for (const test::SeenRequest& request : hub_.seen()) {
    if (request.at_store) ranges.push_back(request.range);
  }
  EXPECT_THAT(ranges, testing::ElementsAre("", "bytes=100000-", "bytes=200000-"));
}

TEST_F(HubTest, GoesOnFromAnEarlierRun) {
  std::filesystem::create_directories(model_path("blobs"));
  folder_.write("hub/models--org--model/blobs/" + hub_.etag(kWeights) + ".incomplete",
                weights_.substr(0, 250000));
  expect_complete();
  for (const test::SeenRequest& request : hub_.seen()) {
    if (request.at_store) {
      EXPECT_EQ(request.range, "bytes=250000-");
    }
  }
}

TEST_F(HubTest, StartsAnewWhenARangeIsIgnored) {
  hub_.add_fault(kWeights, {Fault::Kind::kDropAfter, 100000});
  hub_.add_fault(kWeights, {Fault::Kind::kIgnoreRange});
  expect_complete();
}

TEST_F(HubTest, StartsAnewAfterStaleBytes) {
  const std::string name = "hub/models--org--model/blobs/" + hub_.etag(kWeights) + ".incomplete";
  folder_.write(name, std::string(1000, 'x'));
  expect_complete();
}

TEST_F(HubTest, StartsAnewAfterTooManyStaleBytes) {
  const std::string name = "hub/models--org--model/blobs/" + hub_.etag(kWeights) + ".incomplete";
  folder_.write(name, weights_ + "x");
  expect_complete();
}

TEST_F(HubTest, RetriesBusyAndSilentServers) {
  hub_.add_fault("config.json", {Fault::Kind::kStatus, 503});
  hub_.add_fault("config.json", {Fault::Kind::kStatus, 429});
  hub_.add_fault("1_Pooling/config.json", {Fault::Kind::kNoReply});
  hub_.add_fault(kWeights, {Fault::Kind::kStallAfter, 1000});
  expect_complete();
}

TEST_F(HubTest, GivesUpAfterTheRetries) {
  for (int i = 0; i < 10; ++i) hub_.add_fault(kWeights, {Fault::Kind::kDropAfter, 10});
  expect_failure(StatusCode::kIoError, kWeights);
  EXPECT_EQ(hub_.count_content_requests(kWeights), 4U);
  EXPECT_EQ(std::filesystem::file_size(incomplete_path()), 40U);
  EXPECT_FALSE(std::filesystem::exists(model_path("snapshots")));
}

TEST_F(HubTest, RefusesWrongBytes) {
  for (int i = 0; i < 2; ++i) hub_.add_fault(kWeights, {Fault::Kind::kWrongBytes});
  expect_failure(StatusCode::kDataLoss, hub_.etag(kWeights));
  EXPECT_FALSE(std::filesystem::exists(incomplete_path()));
  EXPECT_FALSE(std::filesystem::exists(model_path("blobs/" + hub_.etag(kWeights))));
  expect_complete();
}

TEST_F(HubTest, WrongBytesOnceCostOneMoreDownload) {
  hub_.add_fault(kWeights, {Fault::Kind::kWrongBytes});
  expect_complete();
  EXPECT_EQ(hub_.count_content_requests(kWeights), 2U);
}

TEST_F(HubTest, RefusesMoreBytesThanAnnounced) {
  for (int i = 0; i < 4; ++i) hub_.add_fault(kWeights, {Fault::Kind::kTooLong, 7});
  expect_failure(StatusCode::kDataLoss, "300000 bytes");
}

TEST_F(HubTest, AnErrorPageIsNotTheFile) {
  hub_.add_fault(kWeights, {Fault::Kind::kStatus, 404});
  expect_failure(StatusCode::kNotFound, kWeights);
  EXPECT_EQ(std::filesystem::file_size(incomplete_path()), 0U);
}

TEST_F(HubTest, NamesTheServersRefusals) {
  hub_.break_listing(401, "X-Error-Code: RepoNotFound\r\nX-Error-Message: Repository not found\r\n",
                     "{}");
  expect_failure(StatusCode::kNotFound, "no such model");
  expect_failure(StatusCode::kNotFound, "set HF_TOKEN");
  hub_.break_listing(403, "X-Error-Code: GatedRepo\r\n", "{}");
  expect_failure(StatusCode::kIoError, hub_.url() + "/org/model");
  options_.token = "t";
  expect_failure(StatusCode::kIoError, "the token that was sent does not open it");
  hub_.break_listing(404, "X-Error-Code: RevisionNotFound\r\n", "{}");
  options_.revision = "v9";
  expect_failure(StatusCode::kNotFound, "no revision \"v9\"");
  hub_.break_listing(500, "", "");
  expect_failure(StatusCode::kIoError, "HTTP 500");
}

TEST_F(HubTest, RefusesBrokenListings) {
  hub_.break_listing(200, "", "{");
  expect_failure(StatusCode::kDataLoss, "invalid JSON");
  hub_.break_listing(200, "", "[]");
  expect_failure(StatusCode::kDataLoss, "JSON object");
  hub_.break_listing(200, "", R"({"sha":"../../x","siblings":[]})");
  expect_failure(StatusCode::kDataLoss, "\"sha\"");
  const std::string head = R"({"sha":")" + std::string(40, 'c') + R"(","siblings":[)";
  hub_.break_listing(200, "",
                     head + R"({"rfilename":"config.json","blobId":"../../../x","size":2}]})");
  expect_failure(StatusCode::kDataLoss, "no checksum for config.json");
  hub_.break_listing(200, "", head + R"({"rfilename":"config.json","blobId":"x","size":-1}]})");
  expect_failure(StatusCode::kDataLoss, "below 0");
  hub_.break_listing(200, "", head + R"({"rfilename":"../config.json","blobId":"x","size":1}]})");
  expect_failure(StatusCode::kNotFound, "no file there");
}

TEST_F(HubTest, OfSeveralFormsOfWeightsTakesTheBest) {
  hub_.add_file("pytorch_model.bin", "not taken");
  hub_.add_file("model-00001-of-00001.safetensors", "not taken");
  hub_.add_file("model.safetensors.index.json", "{}");
  hub_.add_file("2_Dense/pytorch_model.bin", "taken");
  hub_.add_file("3_Dense/pytorch_model.bin.index.json", "{}");
  hub_.add_file("3_Dense/pytorch_model-00001-of-00001.bin", "taken");
  expect_complete();
  const auto has = [&](const std::string& file) {
    return std::filesystem::exists(model_path("snapshots/" + hub_.commit() + "/" + file));
  };
  EXPECT_FALSE(has("pytorch_model.bin"));
  EXPECT_FALSE(has("model-00001-of-00001.safetensors"));
  EXPECT_FALSE(has("model.safetensors.index.json"));
  EXPECT_TRUE(has("2_Dense/pytorch_model.bin"));
  EXPECT_TRUE(has("3_Dense/pytorch_model.bin.index.json"));
  EXPECT_TRUE(has("3_Dense/pytorch_model-00001-of-00001.bin"));
}

TEST_F(HubTest, RefusesWhatTheDiskCanNotHold) {
  hub_.break_listing(200, "",
                     R"({"sha":")" + std::string(40, 'c') +
                         R"(","siblings":[{"rfilename":"model.safetensors",
      "blobId":"x","size":1,"lfs":{"sha256":")" +
                         std::string(64, 'a') + R"(","size":1152921504606846976}}]})");
  expect_failure(StatusCode::kResourceExhausted, "1152921504606846976 bytes are to be downloaded");
  expect_failure(StatusCode::kResourceExhausted, "too few");
}

// The kernel refuses to write beyond the limit (EFBIG) as it refuses on a full disk (ENOSPC): by a
// short or failed write in the middle of the transfer.
TEST_F(HubTest, SaysWhatIsMissingWhenWritingFails) {
  struct rlimit before {};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
  const auto previous_handler = std::signal(SIGXFSZ, SIG_IGN);
  struct rlimit limited = before;
  limited.rlim_cur = 100000;
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &limited), 0);
  const Result<std::string> snapshot = resolve();
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &before), 0);
  std::signal(SIGXFSZ, previous_handler);
  ASSERT_FALSE(snapshot.ok());
  EXPECT_EQ(snapshot.status().code(), StatusCode::kResourceExhausted)
      << snapshot.status().message();
  EXPECT_THAT(snapshot.status().message(), HasSubstr("100000 of 300000 bytes are written"));
  EXPECT_EQ(hub_.count_content_requests(kWeights), 1U)
      << "a full disk is not a reason to try again";
  expect_complete();
}

TEST_F(HubTest, OfflineUsesTheCacheAlone) {
  options_.offline = true;
  expect_failure(StatusCode::kNotFound, "offline");
  EXPECT_TRUE(hub_.seen().empty());
}

TEST_F(HubTest, OfflineTakesASnapshotOfAnotherProgram) {
  options_.offline = true;
  folder_.write("hub/models--org--model/refs/main", hub_.commit());
  expect_failure(StatusCode::kNotFound, "not complete");
  folder_.write("hub/models--org--model/snapshots/" + hub_.commit() + "/config.json", "{}");
  const Result<std::string> snapshot = resolve();
  ASSERT_TRUE(snapshot.ok()) << snapshot.status().message();
  EXPECT_EQ(*snapshot, model_path("snapshots/" + hub_.commit()));
}

TEST_F(HubTest, TakesTheCachedSnapshotWhenTheHubIsAway) {
  options_.endpoint = "http://127.0.0.1:1";  // nobody listens there
  options_.retries = 0;
  expect_failure(StatusCode::kIoError, "127.0.0.1");
  folder_.write("hub/models--org--model/refs/main", hub_.commit());
  folder_.write("hub/models--org--model/snapshots/" + hub_.commit() + "/config.json", "{}");
  EXPECT_TRUE(resolve().ok());
}

TEST_F(HubTest, NamesAHostWithoutAnAddress) {
  options_.endpoint = "http://no-such-host.invalid";
  expect_failure(StatusCode::kIoError, "no-such-host.invalid");
}

TEST_F(HubTest, AFullCommitNeedsNoRef) {
  options_.revision = hub_.commit();
  expect_complete();
  EXPECT_FALSE(std::filesystem::exists(model_path("refs")));
}

TEST_F(HubTest, TwoAtOnceShareTheDownloads) {
  Result<std::string> other = Status(StatusCode::kInternal, "not run");
  std::thread second([&] { other = resolve_model(FakeHub::kId, options_); });
  expect_complete();
  second.join();
  ASSERT_TRUE(other.ok()) << other.status().message();
  EXPECT_EQ(hub_.count_content_requests(kWeights), 1U);
}

TEST_F(HubTest, ReportsProgress) {
  DownloadProgress last;
  options_.progress = [&](const DownloadProgress& progress) { last = progress; };
  hub_.add_fault(kWeights, {Fault::Kind::kDropAfter, 100000});
  hub_.add_fault(kWeights, {Fault::Kind::kIgnoreRange});
  expect_complete();
  EXPECT_EQ(last.total_bytes, weights_.size() + std::string(kConfig).size() + 2);
  EXPECT_EQ(last.done_bytes, last.total_bytes);
}

TEST_F(HubTest, AnExistingFolderIsItself) {
  EXPECT_EQ(resolve_model(folder_.path(), options_).value(), folder_.path());
  EXPECT_TRUE(hub_.seen().empty());
}

TEST_F(HubTest, RefusesWhatIsNeitherFolderNorId) {
  const std::string file = folder_.write("file", "");
  for (const std::string& model :
       {file, folder_.path("none"), std::string("./x"), std::string("a/b/c"), std::string(""),
        std::string("a--b"), std::string("../x"), std::string("a b")}) {
    const Result<std::string> resolved = resolve_model(model, options_);
    EXPECT_EQ(resolved.status().code(), StatusCode::kNotFound) << model;
  }
  options_.revision = "../../x";
  EXPECT_EQ(resolve().status().code(), StatusCode::kInvalidArgument);
  EXPECT_TRUE(hub_.seen().empty());
}

}  // namespace
}  // namespace wde::checkpoint
