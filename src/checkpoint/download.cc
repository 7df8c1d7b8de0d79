#include "checkpoint/download.h"

#include <algorithm>
#include <atomic>
#include <set>
#include <thread>
#include <vector>

#include "base/file.h"

namespace wde::checkpoint {
namespace {

constexpr auto kProgressInterval = std::chrono::milliseconds(100);

uint64_t size_on_disk(const std::string& path) {
  const Result<MappedFile> file = MappedFile::open(path);
  return file.ok() ? file->bytes().size() : 0;
}

// Bytes that the files will still take, what is there of them subtracted.
uint64_t missing_bytes(const HubCache& cache, const std::vector<HubFile>& files) {
  uint64_t missing = 0;
  std::set<std::string> counted;
  for (const HubFile& file : files) {
    if (!counted.insert(file.etag).second || file_exists(cache.blob_path(file.etag))) continue;
    const uint64_t have = size_on_disk(cache.blob_path(file.etag) + ".incomplete");
    if (file.size_bytes > have &&
        __builtin_add_overflow(missing, file.size_bytes - have, &missing)) {
      return UINT64_MAX;
    }
  }
  return missing;
}

Status check_free_disk(const HubCache& cache, const std::string& id,
                       const std::vector<HubFile>& files) {
  const uint64_t missing = missing_bytes(cache, files);
  WDE_ASSIGN_OR_RETURN(const uint64_t free_bytes, free_disk_bytes(cache.blobs_folder()));
  if (missing <= free_bytes) return Status();
  return resource_exhausted_error(
      "{}: {} bytes are to be downloaded into {}, where {} are free: {} too few", id, missing,
      cache.blobs_folder(), free_bytes, missing - free_bytes);
}

// A pool of threads for the time of one download, each with its own connection.
class ParallelDownload {
 public:
  ParallelDownload(const BlobDownload::Context& context, const std::vector<HubFile>& files)
      : context_(context), files_(files) {}

  Status run() {
    const auto wanted = static_cast<size_t>(std::max(1, context_.options.parallel_files));
    std::vector<std::thread> threads(std::min(wanted, files_.size()));
    for (std::thread& thread : threads) thread = std::thread([this] { work(); });
    for (std::thread& thread : threads) thread.join();
    return first_error_;
  }

 private:
  void work() {
    HttpClient http({.token = context_.options.token,
                     .connect_timeout_s = context_.options.connect_timeout_s,
                     .stall_timeout_s = context_.options.stall_timeout_s});
    while (!context_.cancellation.cancelled()) {
      const size_t index = next_.fetch_add(1);
      if (index >= files_.size()) return;
      const Status status = BlobDownload(context_, http, files_[index]).run();
      if (!status.ok()) fail(status);
    }
  }

  void fail(const Status& status) {
    const std::lock_guard lock(mutex_);
    if (first_error_.ok()) first_error_ = status;
    context_.cancellation.cancel();
  }

  const BlobDownload::Context& context_;
  const std::vector<HubFile>& files_;
  std::atomic<size_t> next_{0};
  std::mutex mutex_;
  Status first_error_;
};

// config.json and modules.json last: a snapshot that has either counts as usable, so that one whose
// linking was cut short must have neither.
Status link_snapshot(const HubCache& cache, const std::string& commit, std::vector<HubFile> files) {
  std::stable_partition(files.begin(), files.end(), [](const HubFile& file) {
    return file.path != "config.json" && file.path != "modules.json";
  });
  for (const HubFile& file : files) WDE_RETURN_IF_ERROR(cache.link(commit, file.path, file.etag));
  return Status();
}

}  // namespace

ProgressMeter::ProgressMeter(const HubOptions& options, uint64_t total_bytes)
    : callback_(options.progress) {
  progress_.total_bytes = total_bytes;
}

void ProgressMeter::add(const std::string& file, int64_t bytes) {
  const std::lock_guard lock(mutex_);
  progress_.done_bytes += static_cast<uint64_t>(bytes);
  if (!callback_ || Clock::now() - last_call_ < kProgressInterval) return;
  progress_.file = file;
  last_call_ = Clock::now();
  callback_(progress_);
}

void ProgressMeter::finish() {
  const std::lock_guard lock(mutex_);
  if (callback_) callback_(progress_);
}

Status download_snapshot(const HubOptions& options, const HubCache& cache, const std::string& id,
                         const HubListing& listing) {
  std::vector<HubFile> missing;
  std::vector<std::string> names;
  uint64_t total_bytes = 0;
  for (const HubFile& file : listing.files) {
    names.push_back(file.path);
    if (cache.snapshot_has(listing.commit, file.path)) continue;
    missing.push_back(file);
    if (__builtin_add_overflow(total_bytes, file.size_bytes, &total_bytes))
      total_bytes = UINT64_MAX;
  }
  if (!missing.empty()) {
    // The largest first: it decides when all are there.
    std::stable_sort(missing.begin(), missing.end(), [](const HubFile& left, const HubFile& right) {
      return left.size_bytes > right.size_bytes;
    });
    WDE_RETURN_IF_ERROR(cache.create_folders());
    WDE_RETURN_IF_ERROR(check_free_disk(cache, id, missing));
    ProgressMeter progress(options, total_bytes);
    Cancellation cancellation;
    const BlobDownload::Context context{options, cache, id, listing.commit, progress, cancellation};
    WDE_RETURN_IF_ERROR(ParallelDownload(context, missing).run());
    progress.finish();
    WDE_RETURN_IF_ERROR(link_snapshot(cache, listing.commit, std::move(missing)));
  }
  WDE_RETURN_IF_ERROR(cache.write_ref(options.revision, listing.commit));
  return cache.write_complete(listing.commit, names);
}

}  // namespace wde::checkpoint
