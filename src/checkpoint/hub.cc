#include "checkpoint/hub.h"

#include <algorithm>
#include <charconv>

#include "base/env.h"
#include "base/file.h"
#include "base/log.h"
#include "checkpoint/download.h"
#include "checkpoint/hub_cache.h"
#include "checkpoint/hub_listing.h"
#include "checkpoint/relative_path.h"

namespace wde::checkpoint {
namespace {

constexpr size_t kMaxTokenFileBytes = 1 << 16;

// A leading "~" is the user's folder, as in a shell.
std::string with_home(const std::string& path) {
  if (path != "~" && !path.starts_with("~/")) return path;
  return env::get("HOME").value_or("") + path.substr(1);
}

std::string hugging_face_home() {
  if (const auto home = env::get("HF_HOME")) return with_home(*home);
  if (const auto caches = env::get("XDG_CACHE_HOME")) return with_home(*caches) + "/huggingface";
  return env::get("HOME").value_or("") + "/.cache/huggingface";
}

std::string hub_cache_root() {
  for (const char* name : {"HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"}) {
    if (const auto cache = env::get(name)) return with_home(*cache);
  }
  return hugging_face_home() + "/hub";
}

// Line ends, which editors leave in token files, must not get into a header.
std::string cleaned_token(std::string token) {
  std::erase_if(token, [](char byte) { return static_cast<unsigned char>(byte) <= ' '; });
  return token;
}

std::string access_token() {
  for (const char* name : {"HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"}) {
    if (const auto token = env::get(name)) return cleaned_token(*token);
  }
  const std::string path =
      with_home(env::get("HF_TOKEN_PATH").value_or(hugging_face_home() + "/token"));
  Result<std::string> token = read_file(path, kMaxTokenFileBytes);
  return token.ok() ? cleaned_token(std::move(token).value()) : "";
}

// Whole seconds above 0, else the fallback.
int seconds_or(const std::optional<std::string>& text, int fallback) {
  if (!text) return fallback;
  int seconds = 0;
  const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), seconds);
  return error == std::errc() && end == text->data() + text->size() && seconds > 0 ? seconds
                                                                                   : fallback;
}

Status not_cached_error(const HubCache& cache, const std::string& id, const HubOptions& options) {
  const std::optional<std::string> commit = cache.commit_of(options.revision);
  const std::string where =
      commit ? cache.snapshot_path(*commit) + " is not complete"
             : options.cache + " has no snapshot of its revision \"" + options.revision + "\"";
  return not_found_error("{}: no such folder, and offline (HF_HUB_OFFLINE) {}", id, where);
}

Result<std::string> resolve_online(const HubCache& cache, const HubOptions& options,
                                   const std::string& id) {
  HttpClient http({.token = options.token,
                   .connect_timeout_s = options.connect_timeout_s,
                   .stall_timeout_s = options.stall_timeout_s});
  const Result<HubListing> listing = fetch_listing(http, options, id);
  if (listing.ok()) {
    WDE_RETURN_IF_ERROR(download_snapshot(options, cache, id, *listing));
    return cache.snapshot_path(listing->commit);
  }
  const std::optional<std::string> commit = cache.commit_of(options.revision);
  if (!commit || !cache.is_usable(*commit)) return listing.status();
  log::warning("{}; going on with the cached {}, which may lack files", listing.status().message(),
               cache.snapshot_path(*commit));
  return cache.snapshot_path(*commit);
}

}  // namespace

HubOptions hub_options_from_environment() {
  HubOptions options;
  options.cache = hub_cache_root();
  options.endpoint = env::get("HF_ENDPOINT").value_or(options.endpoint);
  options.token = access_token();
  options.offline = env::get_flag("HF_HUB_OFFLINE") || env::get_flag("TRANSFORMERS_OFFLINE");
  options.stall_timeout_s =
      seconds_or(env::get("HF_HUB_DOWNLOAD_TIMEOUT"), options.stall_timeout_s);
  return options;
}

Result<std::string> resolve_model(const std::string& model, const HubOptions& given) {
  if (directory_exists(model)) return model;
  if (file_exists(model)) {
    if (model.ends_with(".gguf")) return model;
    return not_found_error("{}: a file; the folder that holds the model, or a GGUF file, is wanted",
                           model);
  }
  // Neither a folder nor an id: "/models/x", "./x", "~/x", "a/b/c", "x/".
  if (!is_model_id(model)) {
    return not_found_error("{}: no such folder (and not a hub id \"org/name\")", model);
  }
  HubOptions options = given;
  while (options.endpoint.ends_with('/')) options.endpoint.pop_back();
  options.token = cleaned_token(options.token);
  if (!is_inside_path(options.revision)) {
    return invalid_argument_error("\"{}\" can't be a revision of {}", options.revision, model);
  }
  const HubCache cache(options.cache, model);
  const std::optional<std::string> commit = cache.commit_of(options.revision);
  if (commit && cache.is_complete(*commit)) return cache.snapshot_path(*commit);
  if (!options.offline) return resolve_online(cache, options, model);
  if (commit && cache.is_usable(*commit)) return cache.snapshot_path(*commit);
  return not_cached_error(cache, model, options);
}

}  // namespace wde::checkpoint
