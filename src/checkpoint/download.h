// The files of one commit into the cache: in parallel, resumed, verified, published when all are
// there.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <mutex>
#include <string>

#include "base/status.h"
#include "checkpoint/cancellation.h"
#include "checkpoint/http_client.h"
#include "checkpoint/hub.h"
#include "checkpoint/hub_cache.h"
#include "checkpoint/hub_listing.h"

namespace wde::checkpoint {

// Sums up what all threads have, and calls the caller's function some 10 times a second at most.
// Thread-safe.
class ProgressMeter {
 public:
  ProgressMeter(const HubOptions& options, uint64_t total_bytes);
  // `bytes` more of `file` are there; fewer when it is below 0.
  void add(const std::string& file, int64_t bytes);
  // The last call, whatever the time.
  void finish();

 private:
  using Clock = std::chrono::steady_clock;
  const std::function<void(const DownloadProgress&)>& callback_;
  std::mutex mutex_;
  DownloadProgress progress_;
  Clock::time_point last_call_;
};

// One file's content into blobs/. Owned by one thread.
class BlobDownload {
 public:
  struct Context {
    const HubOptions& options;
    const HubCache& cache;
    const std::string& id;
    const std::string& commit;
    ProgressMeter& progress;
    Cancellation& cancellation;
  };

  BlobDownload(const Context& context, HttpClient& http, const HubFile& file);

  // Blocks until the verified blob is in place, by this thread or by another process.
  // Errors: as resolve_model's; each names the file.
  Status run();

 private:
  struct Attempt {
    Status status;
    bool transient = false;
  };

  Status fetch_verified(int descriptor);
  Status fetch(int descriptor);
  Attempt fetch_rest(int descriptor);
  bool take(int descriptor, long http_status, std::string_view bytes);
  Result<bool> is_intact() const;
  Status write_error() const;
  Status restart(int descriptor);

  const Context& context_;
  HttpClient& http_;
  const HubFile& file_;
  std::string incomplete_path_;
  uint64_t have_bytes_ = 0;  // of the incomplete file
  int write_errno_ = 0;      // of the last attempt
  bool resuming_ = false;    // the last attempt asked for a range
  bool overlong_ = false;    // the server sent more than there is
};

// Downloads what the commit's snapshot lacks, then links it and notes that it is complete.
// Errors: as resolve_model's.
Status download_snapshot(const HubOptions& options, const HubCache& cache, const std::string& id,
                         const HubListing& listing);

}  // namespace wde::checkpoint
