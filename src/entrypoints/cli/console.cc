#include "entrypoints/cli/console.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <cerrno>

namespace wde::cli {
namespace {

constexpr std::string_view kEraseLine = "\r\x1b[K";

size_t terminal_columns(int descriptor) {
  winsize size{};
  if (::ioctl(descriptor, TIOCGWINSZ, &size) != 0 || size.ws_col == 0) return 80;
  return size.ws_col;
}

}  // namespace

Console::Console(int descriptor) : descriptor_(descriptor), terminal_(::isatty(descriptor) == 1) {}

Console::~Console() { clear(); }

void Console::say(std::string_view line) {
  const std::lock_guard lock(mutex_);
  erase_transient();
  write("wde: " + std::string(line) + "\n");
}

void Console::show(std::string_view transient) {
  if (!terminal_) return;
  const std::lock_guard lock(mutex_);
  write(std::string(kEraseLine) +
        std::string(transient.substr(0, terminal_columns(descriptor_) - 1)));
  transient_shown_ = true;
}

void Console::clear() {
  const std::lock_guard lock(mutex_);
  erase_transient();
}

void Console::erase_transient() {
  if (transient_shown_) write(kEraseLine);
  transient_shown_ = false;
}

void Console::write(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(descriptor_, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return;
    bytes.remove_prefix(static_cast<size_t>(written));
  }
}

}  // namespace wde::cli
