#include "checkpoint/http_client.h"

#include <curl/curl.h>

#include <algorithm>
#include <cctype>
#include <utility>

namespace wde::checkpoint {
namespace {

constexpr long kMaxRedirects = 10;
constexpr long kSmallRequestTimeout_s = 60;
constexpr long kMinBytesPerSecond = 1000;
constexpr size_t kMaxErrorBytes = 4096;
constexpr size_t kMaxHeaderBytes = 64 << 10;
constexpr long kReceiveBufferBytes = 256 << 10;

void initialize_curl_once() {
  static const CURLcode initialized = curl_global_init(CURL_GLOBAL_DEFAULT);
  WDE_CHECK(initialized == CURLE_OK);
}

// Whether the same request may succeed a moment later. A host that has no address is left out:
// where there is no network, waiting only delays the answer.
bool is_transient(CURLcode code) {
  switch (code) {
    case CURLE_COULDNT_CONNECT:
    case CURLE_OPERATION_TIMEDOUT:
    case CURLE_PARTIAL_FILE:
    case CURLE_GOT_NOTHING:
    case CURLE_SEND_ERROR:
    case CURLE_RECV_ERROR:
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_HTTP2:
    case CURLE_HTTP2_STREAM:
      return true;
    default:
      return false;
  }
}

bool is_transient(long status) {
  return status == 408 || status == 429 || (status >= 500 && status != 501);
}

std::string_view trimmed(std::string_view text) {
  const auto is_space = [](char byte) {
    return byte == ' ' || byte == '\t' || byte == '\r' || byte == '\n';
  };
  while (!text.empty() && is_space(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_space(text.back())) text.remove_suffix(1);
  return text;
}

std::string lower_case(std::string_view text) {
  std::string lower(text);
  std::transform(lower.begin(), lower.end(), lower.begin(),
                 [](unsigned char byte) { return static_cast<char>(std::tolower(byte)); });
  return lower;
}

struct SlistDeleter {
  void operator()(curl_slist* list) const { curl_slist_free_all(list); }
};

// One transfer, as libcurl's callbacks see it.
struct Transfer {
  CURL* curl = nullptr;
  HttpReply reply;
  size_t header_bytes = 0;
  size_t max_body_bytes = 0;
  const BodySink* sink = nullptr;  // null: the body goes into the reply
  const Cancellation* cancellation = nullptr;

  size_t on_header(std::string_view line);
  size_t on_body(std::string_view bytes);
};

size_t Transfer::on_header(std::string_view line) {
  header_bytes += line.size();
  if (header_bytes > kMaxHeaderBytes) return 0;
  if (line.starts_with("HTTP/"))
    reply.headers.clear();  // the next response of a chain of redirects
  const size_t colon = line.find(':');
  if (colon != std::string_view::npos) {
    reply.headers[lower_case(line.substr(0, colon))] = trimmed(line.substr(colon + 1));
  }
  return line.size();
}

size_t Transfer::on_body(std::string_view bytes) {
  long status = 0;
  curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
  if (sink != nullptr && (status == 200 || status == 206))
    return (*sink)(status, bytes) ? bytes.size() : 0;
  const bool is_error = status < 200 || status >= 300;
  if (is_error) {
    reply.body.append(
        bytes.substr(0, kMaxErrorBytes - std::min(kMaxErrorBytes, reply.body.size())));
    return bytes.size();
  }
  if (bytes.size() > max_body_bytes - reply.body.size()) return 0;
  reply.body.append(bytes);
  return bytes.size();
}

size_t header_callback(char* data, size_t size, size_t count, void* transfer) {
  return static_cast<Transfer*>(transfer)->on_header({data, size * count});
}

size_t body_callback(char* data, size_t size, size_t count, void* transfer) {
  return static_cast<Transfer*>(transfer)->on_body({data, size * count});
}

int progress_callback(void* transfer, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
  const Cancellation* cancellation = static_cast<Transfer*>(transfer)->cancellation;
  return cancellation != nullptr && cancellation->cancelled() ? 1 : 0;
}

}  // namespace

const std::string& HttpReply::header(const std::string& name) const {
  static const std::string absent;
  const auto found = headers.find(name);
  return found == headers.end() ? absent : found->second;
}

struct HttpClient::State {
  HttpOptions options;
  CURL* curl = nullptr;
  std::unique_ptr<curl_slist, SlistDeleter> headers;

  void prepare(Transfer& transfer, const std::string& url);
  HttpReply perform(Transfer& transfer, const std::string& url);
};

void HttpClient::State::prepare(Transfer& transfer, const std::string& url) {
  transfer.curl = curl;
  curl_easy_reset(curl);  // keeps the connections
  curl_easy_setopt(curl, CURLOPT_URL, url.c_str());
  curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(curl, CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 1L);
  curl_easy_setopt(curl, CURLOPT_MAXREDIRS, kMaxRedirects);
  curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(curl, CURLOPT_USERAGENT, "wde");
  curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, static_cast<long>(options.connect_timeout_s));
  curl_easy_setopt(curl, CURLOPT_LOW_SPEED_LIMIT, kMinBytesPerSecond);
  curl_easy_setopt(curl, CURLOPT_LOW_SPEED_TIME, static_cast<long>(options.stall_timeout_s));
  curl_easy_setopt(curl, CURLOPT_BUFFERSIZE, kReceiveBufferBytes);
  // libcurl sends a header of ours to the first host alone (since 7.83 also: port and scheme).
  if (headers) curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers.get());
  curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, header_callback);
  curl_easy_setopt(curl, CURLOPT_HEADERDATA, &transfer);
  curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, body_callback);
  curl_easy_setopt(curl, CURLOPT_WRITEDATA, &transfer);
  curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, progress_callback);
  curl_easy_setopt(curl, CURLOPT_XFERINFODATA, &transfer);
  curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
}

HttpReply HttpClient::State::perform(Transfer& transfer, const std::string& url) {
  char message[CURL_ERROR_SIZE] = "";
  curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, message);
  const CURLcode code = curl_easy_perform(curl);
  curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, nullptr);
  HttpReply reply = std::move(transfer.reply);
  curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &reply.status);
  reply.transient = code == CURLE_OK ? is_transient(reply.status) : is_transient(code);
  if (code != CURLE_OK) {
    reply.failure =
        io_error("{}: {}", url, message[0] != '\0' ? message : curl_easy_strerror(code));
  }
  return reply;
}

HttpClient::HttpClient(HttpOptions options) : state_(std::make_unique<State>()) {
  initialize_curl_once();
  state_->options = std::move(options);
  state_->curl = curl_easy_init();
  WDE_CHECK(state_->curl != nullptr);
  if (!state_->options.token.empty()) {
    const std::string header = "Authorization: Bearer " + state_->options.token;
    state_->headers.reset(curl_slist_append(nullptr, header.c_str()));
  }
}

HttpClient::~HttpClient() { curl_easy_cleanup(state_->curl); }

HttpReply HttpClient::get(const std::string& url, size_t max_body_bytes) {
  Transfer transfer;
  transfer.max_body_bytes = max_body_bytes;
  state_->prepare(transfer, url);
  curl_easy_setopt(state_->curl, CURLOPT_TIMEOUT, kSmallRequestTimeout_s);
  return state_->perform(transfer, url);
}

HttpReply HttpClient::head(const std::string& url) {
  Transfer transfer;
  state_->prepare(transfer, url);
  curl_easy_setopt(state_->curl, CURLOPT_TIMEOUT, kSmallRequestTimeout_s);
  curl_easy_setopt(state_->curl, CURLOPT_NOBODY, 1L);
  curl_easy_setopt(state_->curl, CURLOPT_FOLLOWLOCATION, 0L);
  return state_->perform(transfer, url);
}

HttpReply HttpClient::download(const std::string& url, uint64_t first_byte, const BodySink& sink,
                               const Cancellation& cancellation) {
  Transfer transfer;
  transfer.sink = &sink;
  transfer.cancellation = &cancellation;
  state_->prepare(transfer, url);
  // CURLOPT_RANGE and not CURLOPT_RESUME_FROM: the latter makes a 200 an error, which is ours to
  // handle.
  const std::string range = std::to_string(first_byte) + "-";
  if (first_byte > 0) curl_easy_setopt(state_->curl, CURLOPT_RANGE, range.c_str());
  return state_->perform(transfer, url);
}

}  // namespace wde::checkpoint
