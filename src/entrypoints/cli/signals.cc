#include "entrypoints/cli/signals.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdint>
#include <utility>

#include "base/status.h"

namespace wde::cli {
namespace {

void raise_event(int event) {
  const uint64_t one = 1;
  // Can only fail when the counter is full, and then the event is set already.
  [[maybe_unused]] const ssize_t written = ::write(event, &one, sizeof(one));
}

// Blocks until one of the two can be read; true for the first.
bool wait_first(int first, int second) {
  pollfd waited[2] = {{first, POLLIN, 0}, {second, POLLIN, 0}};
  while (::poll(waited, 2, -1) < 0 && errno == EINTR) {
  }
  return waited[1].revents == 0;
}

}  // namespace

SignalWatch::SignalWatch() {
  std::signal(SIGPIPE, SIG_IGN);
  sigset_t watched;
  sigemptyset(&watched);
  sigaddset(&watched, SIGINT);
  sigaddset(&watched, SIGTERM);
  WDE_CHECK(pthread_sigmask(SIG_BLOCK, &watched, nullptr) == 0);
  signals_ = ::signalfd(-1, &watched, SFD_CLOEXEC);
  quit_ = ::eventfd(0, EFD_CLOEXEC);
  WDE_CHECK(signals_ >= 0 && quit_ >= 0);
  thread_ = std::thread([this] { watch(); });
}

SignalWatch::~SignalWatch() {
  raise_event(quit_);
  thread_.join();
  ::close(signals_);
  ::close(quit_);
}

void SignalWatch::on_signal(std::function<void(int)> action) {
  const std::lock_guard lock(mutex_);
  action_ = std::move(action);
}

void SignalWatch::watch() {
  while (wait_first(signals_, quit_)) {
    signalfd_siginfo info{};
    if (::read(signals_, &info, sizeof(info)) != sizeof(info)) continue;
    const int signal = static_cast<int>(info.ssi_signo);
    std::function<void(int)> action;
    {
      const std::lock_guard lock(mutex_);
      std::swap(action, action_);
    }
    if (!action) ::_exit(128 + signal);
    action(signal);
  }
}

StopEvent::StopEvent() : event_(::eventfd(0, EFD_CLOEXEC)) { WDE_CHECK(event_ >= 0); }

StopEvent::~StopEvent() { ::close(event_); }

void StopEvent::set() { raise_event(event_); }

bool StopEvent::wait_readable(int descriptor) const { return wait_first(descriptor, event_); }

}  // namespace wde::cli
