#include "fake_hub.h"

#include <algorithm>
#include <optional>
#include <sstream>
#include <utility>

#include "checkpoint/checksum.h"

namespace wde::test {
namespace {

using checkpoint::ChecksumKind;

std::string checksum_of(const TempFolder& scratch, const std::string& content, ChecksumKind kind) {
  return checkpoint::file_checksum(scratch.write("content", content), kind).value();
}

std::string head_of(int status, const std::string& headers, size_t content_length) {
  return "HTTP/1.1 " + std::to_string(status) + " Status\r\nConnection: close\r\n" + headers +
         "Content-Length: " + std::to_string(content_length) + "\r\n\r\n";
}

}  // namespace

FakeHub::FakeHub() : commit_(40, 'c') {
  store_ =
      std::make_unique<LocalServer>([this](const HttpMessage& request, Connection& connection) {
        answer_store(request, connection);
      });
  hub_ = std::make_unique<LocalServer>([this](const HttpMessage& request, Connection& connection) {
    answer_hub(request, connection);
  });
}

void FakeHub::add_file(const std::string& path, std::string content) {
  const std::string etag = checksum_of(scratch_, content, ChecksumKind::kGitBlobSha1);
  files_[path] = {std::move(content), etag, false};
}

void FakeHub::add_lfs_file(const std::string& path, std::string content) {
  const std::string etag = checksum_of(scratch_, content, ChecksumKind::kSha256);
  files_[path] = {std::move(content), etag, true};
}

void FakeHub::add_fault(const std::string& path, Fault fault) { faults_[path].push_back(fault); }

void FakeHub::break_listing(int status, std::string headers, std::string body) {
  const std::lock_guard lock(mutex_);
  broken_listing_ = BrokenListing{status, std::move(headers), std::move(body)};
}

std::optional<FakeHub::BrokenListing> FakeHub::broken_listing() const {
  const std::lock_guard lock(mutex_);
  return broken_listing_;
}

std::vector<SeenRequest> FakeHub::seen() const {
  const std::lock_guard lock(mutex_);
  return seen_;
}

size_t FakeHub::count_content_requests(const std::string& path) const {
  const bool at_store = files_.at(path).is_lfs;
  const std::vector<SeenRequest> requests = seen();
  return static_cast<size_t>(
      std::count_if(requests.begin(), requests.end(), [&](const SeenRequest& request) {
        return request.at_store == at_store && request.method == "GET" &&
               request.target.ends_with("/" + path);
      }));
}

void FakeHub::note(const HttpMessage& request, bool at_store) {
  const std::lock_guard lock(mutex_);
  seen_.push_back({at_store, request.method, request.target, request.header("range"),
                   request.header("authorization")});
}

void FakeHub::send_listing(Connection& connection) const {
  // A copy: a test may set the next one while this is still being sent.
  if (const std::optional<BrokenListing> broken = broken_listing()) {
    return connection.respond(broken->status, broken->headers, broken->body);
  }
  std::ostringstream body;
  body << R"({"id":"org/model","sha":")" << commit_ << R"(","siblings":[)";
  const char* separator = "";
  for (const auto& [path, file] : files_) {
    body << separator << R"({"rfilename":")" << path << '"';
    separator = ",";
    if (list_blobs_) {
      body << R"(,"blobId":")" << (file.is_lfs ? std::string(40, 'e') : file.etag) << R"(","size":)"
           << file.content.size();
      if (file.is_lfs)
        body << R"(,"lfs":{"sha256":")" << file.etag << R"(","size":)" << file.content.size()
             << '}';
    }
    body << '}';
  }
  body << "]}";
  connection.respond(200, "Content-Type: application/json\r\n", body.str());
}

void FakeHub::answer_hub(const HttpMessage& request, Connection& connection) {
  note(request, false);
  if (request.target.starts_with(std::string("/api/models/") + kId + "/revision/"))
    return send_listing(connection);
  const std::string prefix = std::string("/") + kId + "/resolve/" + commit_ + "/";
  const std::string path =
      request.target.starts_with(prefix) ? request.target.substr(prefix.size()) : "";
  const auto found = files_.find(path);
  if (found == files_.end())
    return connection.respond(404, "X-Error-Code: EntryNotFound\r\n", "Entry not found");
  const File& file = found->second;
  if (file.is_lfs) {
    return connection.respond(302,
                              "Location: " + store_->url() + "/store/" + path +
                                  "?signed=1\r\nX-Linked-Etag: \"" + file.etag +
                                  "\"\r\nX-Linked-Size: " + std::to_string(file.content.size()) +
                                  "\r\nX-Repo-Commit: " + commit_ + "\r\n",
                              "");
  }
  send_content(path, request, connection);
}

void FakeHub::answer_store(const HttpMessage& request, Connection& connection) {
  HttpMessage unsigned_request = request;
  unsigned_request.target = request.target.substr(0, request.target.find('?'));
  note(unsigned_request, true);
  send_content(unsigned_request.target.substr(std::string("/store/").size()), request, connection);
}

namespace {

// What an honest server answers to a request for a file.
struct Answer {
  int status = 200;
  std::string headers;
  std::string body;
};

Answer honest_answer(const std::string& content, const std::string& etag,
                     const std::string& range) {
  const std::string etag_header = "ETag: \"" + etag + "\"\r\n";
  if (range.empty()) return {200, etag_header, content};
  const size_t begin = std::stoul(range.substr(std::string("bytes=").size()));
  if (begin >= content.size()) return {416, "", ""};
  const std::string content_range = "Content-Range: bytes " + std::to_string(begin) + "-" +
                                    std::to_string(content.size() - 1) + "/" +
                                    std::to_string(content.size());
  return {206, etag_header + content_range + "\r\n", content.substr(begin)};
}

void send_part(const Answer& answer, size_t size, Connection& connection) {
  connection.send(head_of(answer.status, answer.headers, answer.body.size()));
  connection.send(std::string_view(answer.body).substr(0, size));
}

void send_faulty(const Fault& fault, Answer answer, const std::string& content,
                 Connection& connection) {
  switch (fault.kind) {
    case Fault::Kind::kDropAfter:
      return send_part(answer, fault.amount, connection);
    case Fault::Kind::kStatus:
      return connection.respond(static_cast<int>(fault.amount), "",
                                "an error page that is not the file");
    case Fault::Kind::kWrongBytes:
      return connection.respond(answer.status, answer.headers,
                                std::string(answer.body.size(), '!'));
    case Fault::Kind::kIgnoreRange:
      return connection.respond(200, "", content);
    case Fault::Kind::kStallAfter:
      send_part(answer, fault.amount, connection);
      return connection.keep_silent();
    case Fault::Kind::kNoReply:
      return connection.keep_silent();
    case Fault::Kind::kTooLong:
      return connection.respond(answer.status, answer.headers,
                                answer.body + std::string(fault.amount, '+'));
  }
}

}  // namespace

std::optional<Fault> FakeHub::next_fault(const std::string& path) {
  const std::lock_guard lock(mutex_);
  std::deque<Fault>& faults = faults_[path];
  if (faults.empty()) return std::nullopt;
  const Fault fault = faults.front();
  faults.pop_front();
  return fault;
}

void FakeHub::send_content(const std::string& path, const HttpMessage& request,
                           Connection& connection) {
  const File& file = files_.at(path);
  const Answer answer = honest_answer(file.content, file.etag, request.header("range"));
  if (request.method == "HEAD") return send_part(answer, 0, connection);
  if (const std::optional<Fault> fault = next_fault(path)) {
    return send_faulty(*fault, answer, file.content, connection);
  }
  connection.respond(answer.status, answer.headers, answer.body);
}

}  // namespace wde::test
