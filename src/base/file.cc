#include "base/file.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

namespace wde {
namespace {

constexpr size_t kReadStepBytes = size_t{64} << 10;  // for files that are longer than fstat says

class FileDescriptor {
 public:
  explicit FileDescriptor(int descriptor) : descriptor_(descriptor) {}
  ~FileDescriptor() {
    if (descriptor_ >= 0) ::close(descriptor_);
  }
  FileDescriptor(const FileDescriptor&) = delete;
  FileDescriptor& operator=(const FileDescriptor&) = delete;
  int get() const { return descriptor_; }

 private:
  int descriptor_;
};

Status errno_error(const std::string& path, const char* doing) {
  if (errno == ENOENT || errno == ENOTDIR) return not_found_error("{}: no such file", path);
  return io_error("{}: {} failed: {}", path, doing, std::strerror(errno));
}

Status too_large_error(const std::string& path, size_t size_bytes, size_t max_bytes) {
  return data_loss_error("{}: {} bytes, more than the {} that such a file may have", path,
                         size_bytes, max_bytes);
}

// Opens a regular file and tells its size. O_NONBLOCK: opening a pipe that nobody writes must not
// hang.
Result<int> open_regular(const std::string& path, size_t* size_bytes) {
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (descriptor < 0) return errno_error(path, "open");
  struct stat info {};
  if (::fstat(descriptor, &info) != 0 || !S_ISREG(info.st_mode)) {
    ::close(descriptor);
    return io_error("{}: not a regular file", path);
  }
  *size_bytes = static_cast<size_t>(info.st_size);
  return descriptor;
}

}  // namespace

Result<std::string> read_file(const std::string& path, size_t max_bytes) {
  size_t size_bytes = 0;
  WDE_ASSIGN_OR_RETURN(const int raw, open_regular(path, &size_bytes));
  const FileDescriptor descriptor(raw);
  if (size_bytes > max_bytes) return too_large_error(path, size_bytes, max_bytes);
  // Read to the end, whatever fstat said: files of /proc and /sys have no size, and others may
  // grow.
  std::string content(size_bytes + 1, '\0');
  size_t done = 0;
  while (true) {
    const ssize_t count = ::read(descriptor.get(), content.data() + done, content.size() - done);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return errno_error(path, "read");
    if (count == 0) break;
    done += static_cast<size_t>(count);
    if (done > max_bytes) return too_large_error(path, done, max_bytes);
    if (done == content.size()) content.resize(done + kReadStepBytes);
  }
  content.resize(done);
  return content;
}

bool file_exists(const std::string& path) {
  struct stat info {};
  return ::stat(path.c_str(), &info) == 0 && S_ISREG(info.st_mode);
}

bool directory_exists(const std::string& path) {
  struct stat info {};
  return ::stat(path.c_str(), &info) == 0 && S_ISDIR(info.st_mode);
}

Result<std::vector<std::string>> list_folder(const std::string& path) {
  DIR* folder = ::opendir(path.c_str());
  if (folder == nullptr) return errno_error(path, "opendir");
  std::vector<std::string> names;
  while (const dirent* entry = ::readdir(folder)) {
    const std::string_view name = entry->d_name;
    if (name != "." && name != "..") names.emplace_back(name);
  }
  ::closedir(folder);
  std::sort(names.begin(), names.end());
  return names;
}

Result<MappedFile> MappedFile::open(const std::string& path) {
  size_t size_bytes = 0;
  WDE_ASSIGN_OR_RETURN(const int raw, open_regular(path, &size_bytes));
  const FileDescriptor descriptor(raw);
  MappedFile mapped;
  mapped.path_ = path;
  mapped.size_bytes_ = size_bytes;
  if (size_bytes > 0) {
    void* address = ::mmap(nullptr, size_bytes, PROT_READ, MAP_SHARED, descriptor.get(), 0);
    if (address == MAP_FAILED) return errno_error(path, "mmap");
    mapped.data_ = static_cast<const std::byte*>(address);
  }
  return mapped;
}

void MappedFile::drop_pages() const {
  // Advice: where it fails, nothing is lost but memory.
  if (data_ != nullptr) (void)::madvise(const_cast<std::byte*>(data_), size_bytes_, MADV_DONTNEED);
}

MappedFile::MappedFile(MappedFile&& other) noexcept { *this = std::move(other); }

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(size_bytes_, other.size_bytes_);
  std::swap(path_, other.path_);
  return *this;
}

MappedFile::~MappedFile() {
  if (data_ != nullptr) ::munmap(const_cast<std::byte*>(data_), size_bytes_);
}

}  // namespace wde
