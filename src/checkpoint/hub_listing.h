// What the hub says about a model: its commit and the files that WDE reads, by the same requests as
// the huggingface_hub package makes:
//   GET  {endpoint}/api/models/{id}/revision/{revision}?blobs=true
//   HEAD {endpoint}/{id}/resolve/{commit}/{file}    only for files of which the listing gives no
//   checksum
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "checkpoint/http_client.h"
#include "checkpoint/hub.h"

namespace wde::checkpoint {

struct HubFile {
  std::string path;  // relative, inside the snapshot
  std::string etag;  // its checksum in hex: sha256 or git blob sha1; the name of its blob
  uint64_t size_bytes = 0;
};

struct HubListing {
  std::string commit;
  std::vector<HubFile> files;  // those that WDE reads; of several forms of weights the best alone
};

// Whether WDE reads a file of this name: *.json, *.txt, *.model, model.safetensors or
// pytorch_model.bin and their shards, in the root, in a module's folder ("1_Pooling/") or in one of
// a Router
// ("query_0_Transformer/"); bge-m3's
// sparse_linear.pt and colbert_linear.pt. Exports (onnx/, openvino/), checkpoints and
// adapters are left out.
bool is_read_file(std::string_view path);

// Requests are repeated as the options say. Errors: kNotFound, kIoError, kDataLoss, kUnsupported as
// resolve_model's.
Result<HubListing> fetch_listing(HttpClient& http, const HubOptions& options,
                                 const std::string& id);

// The URL of a file's content.
std::string file_url(const HubOptions& options, const std::string& id, const std::string& commit,
                     const std::string& path);

// A reply that is not what was asked for, as an error that says what to do about it. `what`:
// "org/name" or a file.
Status reply_error(const HttpReply& reply, const HubOptions& options, const std::string& id,
                   const std::string& what);

// Milliseconds to wait before attempt `failures` + 1.
int64_t retry_delay_ms(const HubOptions& options, int failures);

}  // namespace wde::checkpoint
