// One model's folder in the Hugging Face cache, as the huggingface_hub package lays it out and
// locks it:
//   models--org--name/refs/<revision>             the commit that a branch or tag stood for
//   models--org--name/blobs/<etag>[.incomplete]   contents
//   models--org--name/snapshots/<commit>/<file>   relative links into blobs
//   .locks/models--org--name/<etag>.lock
// and one file of our own, which others ignore:
//   models--org--name/.wde/<commit>               the names of all files that WDE reads of this
//   commit
// by which a snapshot is known to be complete without asking the hub.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/status.h"

namespace wde::checkpoint {

// Whether `text` names a commit: 40 lower-case hex digits.
bool is_commit(std::string_view text);

// "org/name" or "name" by the hub's rules: letters, digits, '-', '_', '.', up to 96 bytes.
bool is_model_id(std::string_view text);

// Immutable; thread-safe. Files change under it: other processes use the same folders.
class HubCache {
 public:
  // `root`: the folder of all models. `id` must be a model id.
  HubCache(std::string root, const std::string& id);

  std::string blob_path(const std::string& etag) const { return folder_ + "/blobs/" + etag; }
  std::string lock_path(const std::string& etag) const {
    return locks_folder_ + "/" + etag + ".lock";
  }
  std::string snapshot_path(const std::string& commit) const {
    return folder_ + "/snapshots/" + commit;
  }
  std::string blobs_folder() const { return folder_ + "/blobs"; }

  // Makes the folders for blobs and locks. Errors: kIoError.
  Status create_folders() const;

  // The commit of a revision: itself when it is one, else what refs/ says; nothing when unknown
  // here.
  std::optional<std::string> commit_of(const std::string& revision) const;
  // Errors: kIoError.
  Status write_ref(const std::string& revision, const std::string& commit) const;

  bool snapshot_has(const std::string& commit, const std::string& file) const;
  // Atomic; replaces what is there. Errors: kIoError.
  Status link(const std::string& commit, const std::string& file, const std::string& etag) const;

  // True when the list of the commit's files is here and all of them are, too.
  bool is_complete(const std::string& commit) const;
  // True when something can be loaded, though it may lack files that the hub has.
  bool is_usable(const std::string& commit) const;
  // Errors: kIoError.
  Status write_complete(const std::string& commit, const std::vector<std::string>& files) const;

 private:
  std::string folder_;
  std::string locks_folder_;
};

// An exclusive lock on a file, between processes and between threads; released with the object.
class FileLock {
 public:
  // Waits until it is free, as long as that takes, and says so in the log. Errors: kIoError.
  static Result<FileLock> acquire(const std::string& path);

  FileLock(FileLock&& other) noexcept;
  FileLock& operator=(FileLock&& other) noexcept;
  ~FileLock();

 private:
  explicit FileLock(int descriptor) : descriptor_(descriptor) {}
  int descriptor_ = -1;
};

// Bytes that an unprivileged user may still write to the file system that holds `folder`.
// Errors: kIoError.
Result<uint64_t> free_disk_bytes(const std::string& folder);

}  // namespace wde::checkpoint
