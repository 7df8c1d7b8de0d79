// A hub for tests: a model's listing and files as huggingface.co serves them (LFS files by a
// redirect to a store on another port), with faults on request.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "local_server.h"
#include "temp_folder.h"

namespace wde::test {

struct Fault {
  enum class Kind {
    kDropAfter,    // breaks off after `amount` bytes of the body
    kStatus,       // answers with the status `amount`
    kWrongBytes,   // a body of the right size with other bytes
    kIgnoreRange,  // sends all, with 200, whatever was asked for
    kStallAfter,   // keeps silent after `amount` bytes of the body
    kNoReply,      // keeps silent before the head
    kTooLong,      // a body with `amount` bytes more
  };
  Kind kind;
  size_t amount = 0;
};

struct SeenRequest {
  bool at_store = false;
  std::string method;
  std::string target;
  std::string range;
  std::string authorization;
};

class FakeHub {
 public:
  static constexpr const char* kId = "org/model";

  FakeHub();

  // Set up before the first request.
  void add_file(const std::string& path, std::string content);      // git blob
  void add_lfs_file(const std::string& path, std::string content);  // redirected to the store
  void add_fault(const std::string& path,
                 Fault fault);  // for the next request of its content, in order
  void list_without_blobs() { list_blobs_ = false; }
  // Answers each listing from now on with this; any time.
  void break_listing(int status, std::string headers, std::string body);

  std::string url() const { return hub_->url(); }
  const std::string& commit() const { return commit_; }
  std::string etag(const std::string& path) const { return files_.at(path).etag; }

  std::vector<SeenRequest> seen() const;
  // Requests for the content of a file, at the hub or at the store, HEAD not counted.
  size_t count_content_requests(const std::string& path) const;

 private:
  struct File {
    std::string content;
    std::string etag;
    bool is_lfs = false;
  };

  struct BrokenListing {
    int status;
    std::string headers;
    std::string body;
  };

  std::optional<BrokenListing> broken_listing() const;
  void answer_hub(const HttpMessage& request, Connection& connection);
  void answer_store(const HttpMessage& request, Connection& connection);
  void send_content(const std::string& path, const HttpMessage& request, Connection& connection);
  void send_listing(Connection& connection) const;
  std::optional<Fault> next_fault(const std::string& path);
  void note(const HttpMessage& request, bool at_store);

  TempFolder scratch_;
  std::string commit_;
  std::map<std::string, File> files_;
  bool list_blobs_ = true;
  mutable std::mutex mutex_;
  std::map<std::string, std::deque<Fault>> faults_;
  std::optional<BrokenListing> broken_listing_;
  std::vector<SeenRequest> seen_;
  std::unique_ptr<LocalServer> store_;
  std::unique_ptr<LocalServer> hub_;
};

}  // namespace wde::test
