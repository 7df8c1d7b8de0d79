#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/file.h"
#include "base/log.h"
#include "checkpoint/checksum.h"
#include "checkpoint/download.h"

namespace wde::checkpoint {
namespace {

// An attempt that brought this much before it broke off does not count: a bad line still gets a
// large file through.
constexpr uint64_t kProgressBytes = 1 << 20;

class Descriptor {
 public:
  explicit Descriptor(int descriptor) : descriptor_(descriptor) {}
  ~Descriptor() {
    if (descriptor_ >= 0) ::close(descriptor_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return descriptor_; }

 private:
  int descriptor_;
};

}  // namespace

BlobDownload::BlobDownload(const Context& context, HttpClient& http, const HubFile& file)
    : context_(context),
      http_(http),
      file_(file),
      incomplete_path_(context.cache.blob_path(file.etag) + ".incomplete") {}

Status BlobDownload::run() {
  const std::string blob_path = context_.cache.blob_path(file_.etag);
  WDE_ASSIGN_OR_RETURN(const FileLock lock,
                       FileLock::acquire(context_.cache.lock_path(file_.etag)));
  if (file_exists(blob_path)) {
    context_.progress.add(file_.path, static_cast<int64_t>(file_.size_bytes));
    return Status();
  }
  const Descriptor descriptor(
      ::open(incomplete_path_.c_str(), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0666));
  if (descriptor.get() < 0)
    return io_error("{}: open failed: {}", incomplete_path_, std::strerror(errno));
  WDE_RETURN_IF_ERROR(fetch_verified(descriptor.get()));
  if (::rename(incomplete_path_.c_str(), blob_path.c_str()) != 0) {
    return io_error("{}: rename failed: {}", blob_path, std::strerror(errno));
  }
  return Status();
}

Status BlobDownload::fetch_verified(int descriptor) {
  struct stat info {};
  if (::fstat(descriptor, &info) != 0)
    return io_error("{}: fstat failed: {}", incomplete_path_, std::strerror(errno));
  have_bytes_ = static_cast<uint64_t>(info.st_size);
  context_.progress.add(file_.path, static_cast<int64_t>(have_bytes_));
  if (have_bytes_ > file_.size_bytes) WDE_RETURN_IF_ERROR(restart(descriptor));
  // What an earlier run left may be bad though the server is not, so that the first mismatch costs
  // one more download.
  for (int tries = 0; tries < 2; ++tries) {
    WDE_RETURN_IF_ERROR(fetch(descriptor));
    WDE_ASSIGN_OR_RETURN(const bool intact, is_intact());
    if (intact) return Status();
    log::warning("{}: the checksum of {} does not match", context_.id, file_.path);
    WDE_RETURN_IF_ERROR(restart(descriptor));
  }
  ::unlink(incomplete_path_.c_str());
  return data_loss_error("{}: {} was downloaded twice and is not what its checksum {} says",
                         context_.id, file_.path, file_.etag);
}

// Attempts until all bytes are there.
Status BlobDownload::fetch(int descriptor) {
  int failures = 0;
  while (have_bytes_ < file_.size_bytes) {
    const uint64_t before = have_bytes_;
    const Attempt attempt = fetch_rest(descriptor);
    if (context_.cancellation.cancelled()) return io_error("{}: stopped", file_.path);
    if (have_bytes_ == file_.size_bytes && attempt.status.ok()) return Status();
    if (!attempt.transient) return attempt.status;
    const bool progressed = have_bytes_ >= before + kProgressBytes;
    failures = progressed ? 1 : failures + 1;
    if (failures > context_.options.retries) return attempt.status;
    log::debug("{}; going on at byte {} of {}", attempt.status.message(), have_bytes_,
               file_.size_bytes);
    context_.cancellation.wait_for(
        std::chrono::milliseconds(retry_delay_ms(context_.options, failures)));
  }
  return Status();
}

BlobDownload::Attempt BlobDownload::fetch_rest(int descriptor) {
  write_errno_ = 0;
  overlong_ = false;
  resuming_ = have_bytes_ > 0;
  const std::string url = file_url(context_.options, context_.id, context_.commit, file_.path);
  const BodySink sink = [&](long status, std::string_view bytes) {
    return take(descriptor, status, bytes);
  };
  const HttpReply reply = http_.download(url, have_bytes_, sink, context_.cancellation);
  const std::string what = context_.id + ": " + file_.path;
  if (write_errno_ != 0) return {write_error(), false};
  if (overlong_ || reply.status == 416) {
    const Status restarted = restart(descriptor);
    if (!restarted.ok()) return {restarted, false};
    return {data_loss_error("{}: the server's content is not of the {} bytes that it announced",
                            what, file_.size_bytes),
            true};
  }
  if (!reply.ok())
    return {reply_error(reply, context_.options, context_.id, what), reply.transient};
  if (have_bytes_ == file_.size_bytes) return {};
  return {
      io_error("{}: the server ended after {} of {} bytes", what, have_bytes_, file_.size_bytes),
      true};
}

// Appends; false, with the reason noted, when it can't.
bool BlobDownload::take(int descriptor, long http_status, std::string_view bytes) {
  if (http_status == 200 && resuming_) {
    resuming_ = false;  // the server ignored the range: the whole file comes
    if (!restart(descriptor).ok()) return false;
  }
  if (bytes.size() > file_.size_bytes - have_bytes_) {
    overlong_ = true;
    return false;
  }
  while (!bytes.empty()) {
    const ssize_t written = ::write(descriptor, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) {
      write_errno_ = errno;
      return false;
    }
    bytes.remove_prefix(static_cast<size_t>(written));
    have_bytes_ += static_cast<uint64_t>(written);
    context_.progress.add(file_.path, written);
  }
  return true;
}

Result<bool> BlobDownload::is_intact() const {
  const std::optional<ChecksumKind> kind = checksum_kind(file_.etag);
  WDE_CHECK(kind.has_value());  // the listing is refused otherwise
  WDE_ASSIGN_OR_RETURN(const std::string found, file_checksum(incomplete_path_, *kind));
  return found == file_.etag;
}

Status BlobDownload::write_error() const {
  const Result<uint64_t> free_bytes = free_disk_bytes(context_.cache.blobs_folder());
  const std::string message =
      fmt::format("{}: writing {} failed: {}; {} of {} bytes are written and {} are free there",
                  file_.path, incomplete_path_, std::strerror(write_errno_), have_bytes_,
                  file_.size_bytes, free_bytes.ok() ? std::to_string(*free_bytes) : "unknown");
  const bool is_short = write_errno_ == ENOSPC || write_errno_ == EDQUOT || write_errno_ == EFBIG;
  return Status(is_short ? StatusCode::kResourceExhausted : StatusCode::kIoError, message);
}

// From the first byte again.
Status BlobDownload::restart(int descriptor) {
  if (::ftruncate(descriptor, 0) != 0) {
    write_errno_ = errno;
    return write_error();
  }
  context_.progress.add(file_.path, -static_cast<int64_t>(have_bytes_));
  have_bytes_ = 0;
  return Status();
}

}  // namespace wde::checkpoint
