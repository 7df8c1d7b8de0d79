#include "checkpoint/hub_cache.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <utility>

#include "base/file.h"
#include "base/log.h"
#include "checkpoint/relative_path.h"

namespace wde::checkpoint {
namespace {

constexpr size_t kCommitDigits = 40;
constexpr size_t kMaxIdBytes = 96;
constexpr size_t kMaxListBytes = size_t{16} << 20;

Status errno_error(const std::string& path, std::string_view doing) {
  return io_error("{}: {} failed: {}", path, doing, std::strerror(errno));
}

Status create_directories(const std::string& path) {
  std::error_code error;
  std::filesystem::create_directories(path, error);
  if (error) return io_error("{}: can't create the folder: {}", path, error.message());
  return Status();
}

std::string parent_of(const std::string& path) { return path.substr(0, path.rfind('/')); }

// A name beside `path` that no other thread of any process on this machine takes.
std::string temporary_beside(const std::string& path) {
  return fmt::format("{}.{}.tmp", path, ::gettid());
}

Status rename_over(const std::string& from, const std::string& to) {
  if (::rename(from.c_str(), to.c_str()) == 0) return Status();
  const Status failed = errno_error(to, "rename");
  ::unlink(from.c_str());
  return failed;
}

Status write_whole(const std::string& path, std::string_view content) {
  const int descriptor = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  if (descriptor < 0) return errno_error(path, "open");
  Status status;
  // A disk that fills up takes a part first; the next write says why not more.
  while (status.ok() && !content.empty()) {
    const ssize_t written = ::write(descriptor, content.data(), content.size());
    if (written >= 0) content.remove_prefix(static_cast<size_t>(written));
    if (written < 0 && errno != EINTR) status = errno_error(path, "write");
  }
  if (::close(descriptor) != 0 && status.ok()) status = errno_error(path, "close");
  return status;
}

// Small files; a reader sees the old content or the new one.
Status write_atomically(const std::string& path, std::string_view content) {
  WDE_RETURN_IF_ERROR(create_directories(parent_of(path)));
  const std::string temporary = temporary_beside(path);
  const Status written = write_whole(temporary, content);
  if (!written.ok()) {
    ::unlink(temporary.c_str());
    return written;
  }
  return rename_over(temporary, path);
}

std::string list_path(const std::string& folder, const std::string& commit) {
  return folder + "/.wde/" + commit;
}

}  // namespace

bool is_commit(std::string_view text) {
  return text.size() == kCommitDigits &&
         text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

bool is_model_id(std::string_view text) {
  const auto is_allowed = [](char byte) {
    return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') ||
           (byte >= '0' && byte <= '9') || byte == '-' || byte == '_' || byte == '.' || byte == '/';
  };
  const auto is_edge = [](char byte) { return byte == '-' || byte == '.' || byte == '/'; };
  if (text.empty() || text.size() > kMaxIdBytes ||
      !std::all_of(text.begin(), text.end(), is_allowed))
    return false;
  if (is_edge(text.front()) || is_edge(text.back()) ||
      std::count(text.begin(), text.end(), '/') > 1)
    return false;
  return text.find("--") == std::string_view::npos && text.find("..") == std::string_view::npos;
}

HubCache::HubCache(std::string root, const std::string& id) {
  WDE_CHECK(is_model_id(id));
  std::string name = "models--" + id;
  const size_t slash = name.find('/');
  if (slash != std::string::npos) name.replace(slash, 1, "--");
  folder_ = root + "/" + name;
  locks_folder_ = std::move(root) + "/.locks/" + name;
}

Status HubCache::create_folders() const {
  WDE_RETURN_IF_ERROR(create_directories(blobs_folder()));
  return create_directories(locks_folder_);
}

std::optional<std::string> HubCache::commit_of(const std::string& revision) const {
  if (is_commit(revision)) return revision;
  if (!is_inside_path(revision)) return std::nullopt;
  Result<std::string> commit = read_file(folder_ + "/refs/" + revision, kMaxListBytes);
  if (!commit.ok() || !is_commit(*commit)) return std::nullopt;
  return std::move(commit).value();
}

Status HubCache::write_ref(const std::string& revision, const std::string& commit) const {
  if (revision == commit || commit_of(revision) == commit) return Status();
  return write_atomically(folder_ + "/refs/" + revision, commit);
}

bool HubCache::snapshot_has(const std::string& commit, const std::string& file) const {
  return file_exists(snapshot_path(commit) + "/" + file);
}

Status HubCache::link(const std::string& commit, const std::string& file,
                      const std::string& etag) const {
  const std::string path = snapshot_path(commit) + "/" + file;
  WDE_RETURN_IF_ERROR(create_directories(parent_of(path)));
  std::string target = "../../blobs/" + etag;
  for (const char byte : file) {
    if (byte == '/') target.insert(0, "../");
  }
  const std::string temporary = temporary_beside(path);
  ::unlink(temporary.c_str());  // of a process that died
  if (::symlink(target.c_str(), temporary.c_str()) != 0) return errno_error(temporary, "symlink");
  return rename_over(temporary, path);
}

bool HubCache::is_complete(const std::string& commit) const {
  const Result<std::string> list = read_file(list_path(folder_, commit), kMaxListBytes);
  if (!list.ok() || list->empty()) return false;
  for (size_t begin = 0; begin < list->size();) {
    const size_t end = std::min(list->find('\n', begin), list->size());
    const std::string file = list->substr(begin, end - begin);
    if (!is_inside_path(file) || !snapshot_has(commit, file)) return false;
    begin = end + 1;
  }
  return true;
}

bool HubCache::is_usable(const std::string& commit) const {
  return snapshot_has(commit, "config.json") || snapshot_has(commit, "modules.json");
}

Status HubCache::write_complete(const std::string& commit,
                                const std::vector<std::string>& files) const {
  std::string list;
  for (const std::string& file : files) list += file + "\n";
  return write_atomically(list_path(folder_, commit), list);
}

Result<FileLock> FileLock::acquire(const std::string& path) {
  const int descriptor = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0664);
  if (descriptor < 0) return errno_error(path, "open");
  FileLock lock(descriptor);
  if (::flock(descriptor, LOCK_EX | LOCK_NB) == 0) return lock;
  if (errno == EWOULDBLOCK) log::info("waiting for another download that holds {}", path);
  while (::flock(descriptor, LOCK_EX) != 0) {
    if (errno != EINTR) return errno_error(path, "flock");
  }
  return lock;
}

FileLock::FileLock(FileLock&& other) noexcept : descriptor_(std::exchange(other.descriptor_, -1)) {}

FileLock& FileLock::operator=(FileLock&& other) noexcept {
  std::swap(descriptor_, other.descriptor_);
  return *this;
}

FileLock::~FileLock() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

Result<uint64_t> free_disk_bytes(const std::string& folder) {
  struct statvfs info {};
  if (::statvfs(folder.c_str(), &info) != 0) return errno_error(folder, "statvfs");
  return static_cast<uint64_t>(info.f_bavail) * info.f_frsize;
}

}  // namespace wde::checkpoint
