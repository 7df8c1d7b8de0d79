#include "entrypoints/cli/output.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <system_error>
#include <utility>

namespace wde::cli {
namespace {

constexpr size_t kBufferBytes = 64 * 1024;

}  // namespace

Result<std::unique_ptr<Output>> Output::open(const std::string& path, std::string_view flag) {
  if (path == "-") return std::make_unique<Output>(STDOUT_FILENO, "stdout", Ownership::kBorrowed);
  constexpr int kFlags = O_WRONLY | O_CREAT | O_CLOEXEC;
  int descriptor = ::open(path.c_str(), kFlags | O_EXCL, 0666);
  const bool made = descriptor >= 0;
  if (!made && errno == EEXIST) descriptor = ::open(path.c_str(), kFlags, 0666);
  if (descriptor < 0) {
    return invalid_argument_error("{} {}: can't be written: {}", flag, path, std::strerror(errno));
  }
  auto output = std::make_unique<Output>(descriptor, path, Ownership::kOwned);
  output->untouched_ = true;
  output->made_ = made;
  return output;
}

Output::Output(int descriptor, std::string name, Ownership ownership)
    : descriptor_(descriptor),
      name_(std::move(name)),
      ownership_(ownership),
      begin_(::lseek(descriptor, 0, SEEK_CUR)) {}

Output::~Output() {
  if (untouched_ && made_) ::unlink(name_.c_str());
  if (ownership_ == Ownership::kOwned) ::close(descriptor_);
}

Status Output::write(std::string_view bytes) {
  buffer_ += bytes;
  return buffer_.size() < kBufferBytes ? Status() : flush();
}

Status Output::finish() {
  WDE_RETURN_IF_ERROR(empty());
  return flush();
}

Status Output::flush() {
  if (buffer_.empty()) return {};
  WDE_RETURN_IF_ERROR(empty());
  const Status written = write_through(buffer_);
  buffer_.clear();
  return written;
}

Status Output::empty() {
  if (!std::exchange(untouched_, false)) return {};
  // A pipe or a device has nothing to give up.
  return ::ftruncate(descriptor_, 0) == 0 || errno == EINVAL ? Status() : write_error();
}

Status Output::write_through(std::string_view bytes) {
  const std::lock_guard lock(writing_);
  while (!bytes.empty()) {
    const ssize_t written = ::write(descriptor_, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return write_error();
    bytes.remove_prefix(static_cast<size_t>(written));
  }
  return {};
}

bool Output::rewritable() const {
  struct stat info {};
  if (begin_ < 0 || ::fstat(descriptor_, &info) != 0 || !S_ISREG(info.st_mode)) return false;
  // pwrite() appends whatever its offset says when the file was opened with O_APPEND.
  return (::fcntl(descriptor_, F_GETFL) & O_APPEND) == 0;
}

Status Output::rewrite(uint64_t offset, std::string_view bytes) {
  WDE_RETURN_IF_ERROR(flush());
  const ssize_t written = ::pwrite(descriptor_, bytes.data(), bytes.size(),
                                   static_cast<off_t>(static_cast<uint64_t>(begin_) + offset));
  return written == static_cast<ssize_t>(bytes.size()) ? Status() : write_error();
}

bool Output::is_terminal() const { return ::isatty(descriptor_) == 1; }

void Output::stop_after_current_write(std::chrono::milliseconds patience) {
  // Never unlocked: a writer that comes later waits for the end of the process.
  [[maybe_unused]] const bool locked = writing_.try_lock_for(patience);
}

Status Output::write_error() const {
  return io_error("writing to {} failed: {}", name_, std::strerror(errno));
}

Status check_output_is_not_input(const std::string& output, const std::string& input,
                                 std::string_view flag, std::string_view role) {
  if (output == "-" || output.empty() || input.empty()) return {};
  const Status same = invalid_argument_error("{} {}: is {}", flag, output, role);
  struct stat written {};
  struct stat read {};
  if (::stat(output.c_str(), &written) != 0) {
    std::error_code unresolved;  // then the paths can't be told apart, and opening will say why
    const auto resolved = std::filesystem::weakly_canonical(output, unresolved);
    const bool equal =
        !unresolved && resolved == std::filesystem::weakly_canonical(input, unresolved);
    return equal && !unresolved ? same : Status();
  }
  if (!S_ISREG(written.st_mode)) return {};
  const int found = input == "-" ? ::fstat(STDIN_FILENO, &read) : ::stat(input.c_str(), &read);
  if (found != 0 || written.st_dev != read.st_dev || written.st_ino != read.st_ino) return {};
  return same;
}

}  // namespace wde::cli
