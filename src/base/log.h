// Leveled logging to stderr, as text for people or JSON lines for machines. The only user of
// spdlog. Every function may be called from any thread.
#pragma once

#include <fmt/core.h>

#include <string>
#include <string_view>

#include "base/status.h"

namespace wde::log {

enum class Level { kTrace, kDebug, kInfo, kWarning, kError, kOff };
enum class Format { kText, kJson };

// "trace", "debug", "info", "warning", "error", "off" / "text", "json". Errors: kInvalidArgument.
Result<Level> parse_level(std::string_view name);
Result<Format> parse_format(std::string_view name);

// Sets the level and format of everything logged from now on. Start-up only; before it: info, text.
void configure(Level level, Format format);
bool enabled(Level level);
// One line, whatever line breaks the message holds.
void write(Level level, std::string_view message);

#define WDE_LOG_FUNCTION(function, level)                                               \
  template <class... Args>                                                              \
  void function(fmt::format_string<Args...> format, Args&&... args) {                   \
    if (enabled(level)) write(level, fmt::format(format, std::forward<Args>(args)...)); \
  }
WDE_LOG_FUNCTION(debug, Level::kDebug)
WDE_LOG_FUNCTION(info, Level::kInfo)
WDE_LOG_FUNCTION(warning, Level::kWarning)
WDE_LOG_FUNCTION(error, Level::kError)
#undef WDE_LOG_FUNCTION

}  // namespace wde::log
