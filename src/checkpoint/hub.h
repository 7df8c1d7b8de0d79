// A hub id to a local folder: the Hugging Face cache layout
// (hub/models--org--name/{refs,blobs,snapshots}), and downloading into it. Blocking; call from a
// start-up thread.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "base/status.h"

namespace wde::checkpoint {

// What a progress bar needs. Called from one thread at a time, at most some 10 times a second.
struct DownloadProgress {
  std::string file;
  uint64_t done_bytes = 0;   // of all files
  uint64_t total_bytes = 0;  // 0 while unknown
};

struct HubOptions {
  std::string cache;  // HF_HUB_CACHE, else $HF_HOME/hub, else ~/.cache/huggingface/hub
  std::string endpoint = "https://huggingface.co";  // HF_ENDPOINT
  std::string token;                                // HF_TOKEN, else the token file under HF_HOME
  std::string revision = "main";
  bool offline = false;  // HF_HUB_OFFLINE
  int parallel_files = 4;
  int retries = 5;           // a file's attempts after dropped connections, resuming each time
  int retry_delay_ms = 500;  // doubled each time
  int connect_timeout_s = 10;
  int stall_timeout_s = 10;  // HF_HUB_DOWNLOAD_TIMEOUT; without data for so long, it is an attempt
  std::function<void(const DownloadProgress&)> progress;
};

// Filled from the environment (base/env.h).
HubOptions hub_options_from_environment();

// `model` is an existing folder (returned as it is) or a hub id "org/name" or "name". An id
// resolves to the cached snapshot of the revision when it is complete, else its files are
// downloaded: those that WDE reads (json, txt, model and safetensors, else pytorch_model.bin; never
// .onnx and the like), resumably, each verified (sha256 of an LFS file, git blob sha1 of others),
// published by an atomic rename, so that a second process never sees half a file. Where the hub
// can't be asked, a cached snapshot is used as it is, with a warning. Errors: kNotFound (no such
// folder and not an id; no such model or revision; offline and not cached), kIoError (network,
// after the retries; a refused or missing token; writing), kResourceExhausted (a full disk: the
// message says how much was missing), kDataLoss (checksum, a lying listing).
Result<std::string> resolve_model(const std::string& model, const HubOptions& options);

}  // namespace wde::checkpoint
