#include "entrypoints/cli/input.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "base/json.h"
#include "base/utf8.h"

namespace wde::cli {
namespace {

constexpr size_t kReadBytes = 64 * 1024;

Result<Input> malformed(std::string_view reason) {
  return invalid_argument_error(
      "{} (expected a string, [\"a\",\"b\"], or {{\"text\":…,\"text_pair\":…}})", reason);
}

std::string to_string(const boost::json::string& text) { return std::string(text); }

Result<Input> pair_of(const boost::json::array& items) {
  if (items.size() != 2 || !items[0].is_string() || !items[1].is_string()) {
    return malformed("an array must hold two strings");
  }
  return Input(TextPair{to_string(items[0].get_string()), to_string(items[1].get_string())});
}

Result<Input> text_of(const boost::json::object& members) {
  const auto* text = members.if_contains("text");
  if (text == nullptr || !text->is_string()) return malformed("an object needs a string \"text\"");
  const auto* pair = members.if_contains("text_pair");
  if (pair == nullptr || pair->is_null()) return Input(to_string(text->get_string()));
  if (!pair->is_string()) return malformed("\"text_pair\" must be a string");
  return Input(TextPair{to_string(text->get_string()), to_string(pair->get_string())});
}

}  // namespace

LineReader::LineReader(int descriptor, size_t max_line_bytes)
    : descriptor_(descriptor), max_line_bytes_(max_line_bytes) {}

Result<std::optional<std::string>> LineReader::next() {
  while (true) {
    const size_t end = buffer_.find('\n', scanned_);
    if (end != std::string::npos) return std::optional(take(end));
    scanned_ = buffer_.size();
    if (scanned_ - begin_ > max_line_bytes_) {
      return invalid_argument_error("longer than {} bytes", max_line_bytes_);
    }
    if (at_end_) {
      if (begin_ == buffer_.size()) return std::optional<std::string>();
      return std::optional(take(buffer_.size()));
    }
    WDE_ASSIGN_OR_RETURN(const bool more, fill());
    if (!more) return std::optional<std::string>();
  }
}

// Reads what there is, waiting for the first byte; false after stop().
Result<bool> LineReader::fill() {
  buffer_.erase(0, begin_);
  scanned_ -= begin_;
  begin_ = 0;
  if (!stop_.wait_readable(descriptor_)) return false;
  const size_t old_size = buffer_.size();
  buffer_.resize(old_size + kReadBytes);
  ssize_t count = 0;
  do {
    count = ::read(descriptor_, buffer_.data() + old_size, kReadBytes);
  } while (count < 0 && errno == EINTR);
  buffer_.resize(old_size + static_cast<size_t>(count > 0 ? count : 0));
  if (count < 0) return io_error("reading failed: {}", std::strerror(errno));
  at_end_ = count == 0;
  return true;
}

std::string LineReader::take(size_t end) {
  size_t size = end - begin_;
  if (size > 0 && end < buffer_.size() && buffer_[end - 1] == '\r') --size;
  std::string line = buffer_.substr(begin_, size);
  begin_ = scanned_ = end < buffer_.size() ? end + 1 : end;
  return line;
}

Result<Input> parse_jsonl(std::string_view line) {
  if (line.find_first_not_of(" \t\r") == std::string_view::npos) {
    return malformed("a blank line is no JSON");
  }
  Result<json::value> parsed = json::parse(line);
  if (!parsed.ok()) return malformed(parsed.status().message());
  if (const auto* text = parsed->if_string()) return Input(to_string(*text));
  if (const auto* items = parsed->if_array()) return pair_of(*items);
  if (const auto* members = parsed->if_object()) return text_of(*members);
  return malformed("a number, boolean or null is no text");
}

Result<std::unique_ptr<InputReader>> InputReader::open(const InputOptions& options,
                                                       Console& console) {
  if (options.path == "-") {
    if (::isatty(STDIN_FILENO) == 1)
      console.say("reading the terminal: a line is an input, Ctrl-D ends");
    return std::make_unique<InputReader>(STDIN_FILENO, options, console);
  }
  const int descriptor = ::open(options.path.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) {
    return invalid_argument_error("input {}: can't be read: {}", options.path,
                                  std::strerror(errno));
  }
  auto reader = std::make_unique<InputReader>(descriptor, options, console);
  struct stat info {};
  if (::fstat(descriptor, &info) == 0 && S_ISDIR(info.st_mode)) {
    return invalid_argument_error("input {}: is a folder, not a file", options.path);
  }
  return reader;
}

InputReader::InputReader(int descriptor, const InputOptions& options, Console& console)
    : descriptor_(descriptor),
      options_(options),
      console_(console),
      lines_(descriptor, options.max_line_bytes) {}

InputReader::~InputReader() {
  if (options_.path != "-") ::close(descriptor_);
}

Result<std::optional<InputLine>> InputReader::next() {
  ++number_;
  const std::string place = fmt::format("line {}", number_);
  Result<std::optional<std::string>> line = lines_.next();
  if (!line.ok()) return line.status().with_context(place);
  if (!line->has_value()) return std::optional<InputLine>();
  const size_t bytes = (*line)->size();
  bool replaced = false;
  std::string text = replace_invalid_utf8(**line, &replaced);
  if (replaced && !told_of_invalid_utf8_) {
    console_.say(place + ": invalid UTF-8 was replaced by U+FFFD (later lines are not reported)");
    told_of_invalid_utf8_ = true;
  }
  if (!options_.jsonl) return std::optional(InputLine{Input(std::move(text)), number_, bytes});
  Result<Input> input = parse_jsonl(text);
  if (!input.ok()) return input.status().with_context(place);
  return std::optional(InputLine{std::move(input).value(), number_, bytes});
}

std::optional<uint64_t> InputReader::total_bytes() const {
  struct stat info {};
  if (::fstat(descriptor_, &info) != 0 || !S_ISREG(info.st_mode)) return std::nullopt;
  return static_cast<uint64_t>(info.st_size);
}

}  // namespace wde::cli
