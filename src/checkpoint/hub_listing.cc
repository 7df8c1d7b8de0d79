#include "checkpoint/hub_listing.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <functional>
#include <map>
#include <optional>
#include <thread>

#include "base/json.h"
#include "checkpoint/checksum.h"
#include "checkpoint/hub_cache.h"
#include "checkpoint/relative_path.h"

namespace wde::checkpoint {
namespace {

constexpr size_t kMaxListingBytes = size_t{64} << 20;
constexpr size_t kMaxFiles = 20000;
constexpr int kMaxHeadRedirects = 5;
constexpr int kMaxModuleDepth = 2;  // "0_Router/query_0_Transformer/"
constexpr int64_t kMaxRetryDelay_ms = 30000;
constexpr auto kReadEndings = std::to_array<std::string_view>({".json", ".txt", ".model"});

// Everything but RFC 3986's unreserved characters, and `kept`, as %XX.
std::string percent_encoded(std::string_view text, std::string_view kept) {
  std::string encoded;
  for (const char byte : text) {
    const bool unreserved = (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') ||
                            (byte >= '0' && byte <= '9') ||
                            std::string_view("-._~").find(byte) != std::string::npos;
    if (unreserved || kept.find(byte) != std::string_view::npos) {
      encoded += byte;
    } else {
      encoded += fmt::format("%{:02X}", static_cast<unsigned char>(byte));
    }
  }
  return encoded;
}

bool all_digits(std::string_view text) {
  return !text.empty() && text.find_first_not_of("0123456789") == std::string_view::npos;
}

std::string_view name_of(std::string_view path) { return path.substr(path.rfind('/') + 1); }

// "-00001-of-00002"
bool is_shard_number(std::string_view text) {
  const size_t of = text.find("-of-");
  return text.starts_with('-') && of != std::string_view::npos && of > 0 &&
         all_digits(text.substr(1, of - 1)) && all_digits(text.substr(of + 4));
}

// Which of open_weights' ways a file of this name belongs to, best first; nothing for others.
std::optional<int> weights_rank(std::string_view name) {
  struct Format {
    std::string_view stem;
    std::string_view ending;
  };
  constexpr Format kFormats[] = {{"model", ".safetensors"}, {"pytorch_model", ".bin"}};
  int rank = 0;
  for (const Format& format : kFormats) {
    if (name.starts_with(format.stem)) {
      const std::string_view rest = name.substr(format.stem.size());
      if (rest == format.ending) return rank;
      if (rest == std::string(format.ending) + ".index.json") return rank + 1;
      if (rest.ends_with(format.ending) &&
          is_shard_number(rest.substr(0, rest.size() - format.ending.size()))) {
        return rank + 1;
      }
    }
    rank += 2;
  }
  return std::nullopt;
}

// bge-m3's heads beside the transformer.
bool is_head_weights_name(std::string_view path) {
  return path == "sparse_linear.pt" || path == "colbert_linear.pt";
}

// sentence-transformers' "1_Pooling"; of a Router's modules "query_0_Transformer".
bool is_module_folder(std::string_view folder) {
  for (size_t begin = 0; begin < folder.size();) {
    const size_t end = folder.find('_', begin);
    if (end == std::string_view::npos) return false;
    if (all_digits(folder.substr(begin, end - begin))) return true;
    begin = end + 1;
  }
  return false;
}

HttpReply with_retries(const HubOptions& options, const std::function<HttpReply()>& request) {
  HttpReply reply = request();
  for (int failures = 1; failures <= options.retries && !reply.ok() && reply.transient;
       ++failures) {
    std::this_thread::sleep_for(std::chrono::milliseconds(retry_delay_ms(options, failures)));
    reply = request();
  }
  return reply;
}

Result<HubFile> read_sibling(const json::value& described) {
  const json::object* fields = described.if_object();
  if (fields == nullptr) return data_loss_error("\"siblings\" must hold objects");
  HubFile file;
  WDE_ASSIGN_OR_RETURN(file.path, json::get_string(*fields, "rfilename", ""));
  WDE_ASSIGN_OR_RETURN(file.etag, json::get_string(*fields, "blobId", ""));
  WDE_ASSIGN_OR_RETURN(int64_t size_bytes, json::get_int(*fields, "size", 0));
  WDE_ASSIGN_OR_RETURN(const json::object* lfs, json::get_object(*fields, "lfs"));
  if (lfs != nullptr) {
    WDE_ASSIGN_OR_RETURN(file.etag, json::get_string(*lfs, "sha256", ""));
    WDE_ASSIGN_OR_RETURN(size_bytes, json::get_int(*lfs, "size", size_bytes));
  }
  if (size_bytes < 0) return data_loss_error("{}: a size below 0", file.path);
  file.size_bytes = static_cast<uint64_t>(size_bytes);
  if (!fields->contains("size") && lfs == nullptr)
    file.etag.clear();  // to be asked for, with the size
  return file;
}

Result<HubListing> read_listing(const std::string& body, const std::string& id) {
  WDE_ASSIGN_OR_RETURN(const json::value parsed, json::parse(body));
  const json::object* fields = parsed.if_object();
  if (fields == nullptr) return data_loss_error("must be a JSON object");
  HubListing listing;
  WDE_ASSIGN_OR_RETURN(listing.commit, json::get_string(*fields, "sha", ""));
  if (!is_commit(listing.commit))
    return data_loss_error("\"sha\" must be a commit of 40 hex digits");
  WDE_ASSIGN_OR_RETURN(const json::array* siblings, json::get_array(*fields, "siblings"));
  if (siblings == nullptr || siblings->size() > kMaxFiles) {
    return data_loss_error("\"siblings\" must list up to {} files", kMaxFiles);
  }
  for (const json::value& sibling : *siblings) {
    WDE_ASSIGN_OR_RETURN(HubFile file, read_sibling(sibling));
    if (is_read_file(file.path)) listing.files.push_back(std::move(file));
  }
  if (listing.files.empty())
    return not_found_error("{}: no file there that belongs to a model", id);
  return listing;
}

std::string_view folder_of(std::string_view path) {
  const size_t slash = path.rfind('/');
  return slash == std::string_view::npos ? std::string_view() : path.substr(0, slash + 1);
}

// Of the ways in which a folder holds its weights, the first that open_weights takes is enough.
void drop_weights_that_are_not_taken(std::vector<HubFile>& files) {
  std::map<std::string, int, std::less<>> taken;  // folder to rank
  for (const HubFile& file : files) {
    const std::optional<int> rank = weights_rank(name_of(file.path));
    if (!rank) continue;
    const auto [best, added] = taken.emplace(folder_of(file.path), *rank);
    if (!added) best->second = std::min(best->second, *rank);
  }
  std::erase_if(files, [&](const HubFile& file) {
    const std::optional<int> rank = weights_rank(name_of(file.path));
    return rank && *rank != taken.find(folder_of(file.path))->second;
  });
}

std::string unquoted_etag(std::string_view etag) {
  if (etag.starts_with("W/")) etag.remove_prefix(2);
  if (etag.size() >= 2 && etag.front() == '"' && etag.back() == '"')
    etag = etag.substr(1, etag.size() - 2);
  return std::string(etag);
}

std::optional<uint64_t> parse_size(std::string_view text) {
  uint64_t size_bytes = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), size_bytes);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return size_bytes;
}

// The hub's own answer for a file: it redirects renamed models with a relative Location, and to the
// store that holds the content with the X-Linked headers, which are what is wanted.
HttpReply head_of_file(HttpClient& http, const HubOptions& options, std::string url) {
  HttpReply reply;
  for (int redirects = 0; redirects <= kMaxHeadRedirects; ++redirects) {
    reply = with_retries(options, [&] { return http.head(url); });
    const std::string& location = reply.header("location");
    const bool renamed = reply.status >= 300 && reply.status < 400 && location.starts_with('/') &&
                         reply.header("x-linked-etag").empty();
    if (!renamed) return reply;
    url = options.endpoint + location;
  }
  return reply;
}

Status fetch_metadata(HttpClient& http, const HubOptions& options, const std::string& id,
                      const std::string& commit, HubFile& file) {
  const HttpReply reply = head_of_file(http, options, file_url(options, id, commit, file.path));
  const bool answered = reply.failure.ok() && reply.status >= 200 && reply.status < 400;
  if (!answered) return reply_error(reply, options, id, id + ": " + file.path);
  const bool linked = !reply.header("x-linked-etag").empty();
  file.etag = unquoted_etag(reply.header(linked ? "x-linked-etag" : "etag"));
  const std::optional<uint64_t> size_bytes =
      parse_size(reply.header(linked ? "x-linked-size" : "content-length"));
  if (!size_bytes) return data_loss_error("{}: the server gives no size for {}", id, file.path);
  file.size_bytes = *size_bytes;
  return Status();
}

Status complete_metadata(HttpClient& http, const HubOptions& options, const std::string& id,
                         HubListing& listing) {
  for (HubFile& file : listing.files) {
    if (file.etag.empty())
      WDE_RETURN_IF_ERROR(fetch_metadata(http, options, id, listing.commit, file));
    if (!checksum_kind(file.etag)) {
      return data_loss_error("{}: the server gives no checksum for {} (its ETag is \"{}\")", id,
                             file.path, file.etag);
    }
  }
  return Status();
}

}  // namespace

bool is_read_file(std::string_view path) {
  if (!is_inside_path(path)) return false;
  std::string_view name = path;
  for (int depth = 0; depth < kMaxModuleDepth; ++depth) {
    const size_t slash = name.find('/');
    if (slash == std::string_view::npos) break;
    if (!is_module_folder(name.substr(0, slash))) return false;
    name.remove_prefix(slash + 1);
  }
  if (name.find('/') != std::string_view::npos) return false;
  return weights_rank(name) || is_head_weights_name(path) ||
         std::any_of(kReadEndings.begin(), kReadEndings.end(),
                     [&](std::string_view ending) { return name.ends_with(ending); });
}

std::string file_url(const HubOptions& options, const std::string& id, const std::string& commit,
                     const std::string& path) {
  return options.endpoint + "/" + id + "/resolve/" + commit + "/" + percent_encoded(path, "/");
}

int64_t retry_delay_ms(const HubOptions& options, int failures) {
  const int doublings = std::clamp(failures - 1, 0, 16);
  return std::min(kMaxRetryDelay_ms, static_cast<int64_t>(options.retry_delay_ms) << doublings);
}

Status reply_error(const HttpReply& reply, const HubOptions& options, const std::string& id,
                   const std::string& what) {
  if (!reply.failure.ok()) return reply.failure.with_context(what);
  const std::string& code = reply.header("x-error-code");
  const std::string& said = reply.header("x-error-message");
  const std::string detail = said.empty() ? "" : " (\"" + said + "\")";
  const std::string_view token = options.token.empty() ? "no token was sent: set HF_TOKEN"
                                                       : "the token that was sent does not open it";
  if (code == "GatedRepo" || reply.status == 403) {
    return io_error(
        "{}: access refused, HTTP {}{}; a gated model must be asked for at {}/{}, and {}", what,
        reply.status, detail, options.endpoint, id, token);
  }
  if (code == "RevisionNotFound")
    return not_found_error("{}: no revision \"{}\" there", what, options.revision);
  if (code == "RepoNotFound" || reply.status == 401) {
    return not_found_error("{}: no such model at {}, or a private one, HTTP {}{}; {}", what,
                           options.endpoint, reply.status, detail, token);
  }
  if (reply.status == 404)
    return not_found_error("{}: not found at {}{}", what, options.endpoint, detail);
  return io_error("{}: {} answered HTTP {}{}", what, options.endpoint, reply.status, detail);
}

Result<HubListing> fetch_listing(HttpClient& http, const HubOptions& options,
                                 const std::string& id) {
  const std::string url = options.endpoint + "/api/models/" + id + "/revision/" +
                          percent_encoded(options.revision, "") + "?blobs=true";
  const HttpReply reply = with_retries(options, [&] { return http.get(url, kMaxListingBytes); });
  if (!reply.ok()) return reply_error(reply, options, id, id);
  Result<HubListing> listing = read_listing(reply.body, id);
  if (!listing.ok())
    return listing.status().code() == StatusCode::kDataLoss ? listing.status().with_context(url)
                                                            : listing.status();
  drop_weights_that_are_not_taken(listing->files);
  WDE_RETURN_IF_ERROR(complete_metadata(http, options, id, *listing));
  return listing;
}

}  // namespace wde::checkpoint
