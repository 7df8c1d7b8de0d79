#include "base/log.h"

#include <spdlog/logger.h>
#include <spdlog/sinks/stdout_sinks.h>

#include <array>
#include <atomic>

#include "base/json.h"
#include "base/utf8.h"

namespace wde::log {
namespace {

struct LevelName {
  std::string_view name;
  Level level;
  spdlog::level::level_enum spdlog_level;
};
constexpr std::array<LevelName, 6> kLevels = {{
    {"trace", Level::kTrace, spdlog::level::trace},
    {"debug", Level::kDebug, spdlog::level::debug},
    {"info", Level::kInfo, spdlog::level::info},
    {"warning", Level::kWarning, spdlog::level::warn},
    {"error", Level::kError, spdlog::level::err},
    {"off", Level::kOff, spdlog::level::off},
}};

// %v is the message, escaped beforehand: inside JSON it is a string with its quotes.
constexpr const char* kTextPattern = "%Y-%m-%d %H:%M:%S.%e %-7l %v";
constexpr const char* kJsonPattern =
    R"({"timestamp":"%Y-%m-%dT%H:%M:%S.%fZ","level":"%l","message":%v})";

// The process has one stderr, and so one logger.
struct Logger {
  Logger() : spdlog_logger("wde", std::make_shared<spdlog::sinks::stderr_sink_mt>()) {
    spdlog_logger.set_level(spdlog::level::trace);  // `level` below decides
    spdlog_logger.set_pattern(kTextPattern, spdlog::pattern_time_type::utc);
  }
  spdlog::logger spdlog_logger;
  std::atomic<Level> level{Level::kInfo};
  std::atomic<Format> format{Format::kText};
};

Logger& logger() {
  static Logger instance;
  return instance;
}

// Line breaks would fake further lines, and control characters steer a terminal: both are spelled
// out.
std::string escape_controls(std::string_view message) {
  std::string out;
  out.reserve(message.size());
  for (const char c : message) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '\n') {
      out += "\\n";
    } else if ((byte < 0x20 && c != '\t') || byte == 0x7f) {
      out += fmt::format("\\x{:02x}", byte);
    } else {
      out += c;
    }
  }
  return out;
}

}  // namespace

Result<Level> parse_level(std::string_view name) {
  for (const LevelName& entry : kLevels) {
    if (entry.name == name) return entry.level;
  }
  return invalid_argument_error(
      "unknown log level \"{}\"; known: trace, debug, info, warning, error, off", name);
}

Result<Format> parse_format(std::string_view name) {
  if (name == "text") return Format::kText;
  if (name == "json") return Format::kJson;
  return invalid_argument_error("unknown log format \"{}\"; known: text, json", name);
}

void configure(Level level, Format format) {
  Logger& log = logger();
  log.level.store(level, std::memory_order_relaxed);
  log.format.store(format, std::memory_order_relaxed);
  log.spdlog_logger.set_pattern(format == Format::kJson ? kJsonPattern : kTextPattern,
                                spdlog::pattern_time_type::utc);
}

bool enabled(Level level) {
  return level != Level::kOff && level >= logger().level.load(std::memory_order_relaxed);
}

void write(Level level, std::string_view message) {
  if (!enabled(level)) return;
  std::string line = replace_invalid_utf8(message);
  if (logger().format.load(std::memory_order_relaxed) == Format::kJson) {
    std::string quoted;
    json::append_string(quoted, line);
    line = std::move(quoted);
  } else {
    line = escape_controls(line);
  }
  logger().spdlog_logger.log(kLevels[static_cast<size_t>(level)].spdlog_level, line);
}

}  // namespace wde::log
