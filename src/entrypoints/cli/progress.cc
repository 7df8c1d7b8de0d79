#include "entrypoints/cli/progress.h"

#include <fmt/format.h>

#include <algorithm>
#include <memory>

namespace wde::cli {
namespace {

using std::chrono::steady_clock;

double seconds_since(steady_clock::time_point start) {
  return std::chrono::duration<double>(steady_clock::now() - start).count();
}

std::string share_and_eta(uint64_t done, uint64_t total, double seconds) {
  if (done == 0 || total == 0) return "";
  const double share = static_cast<double>(done) / static_cast<double>(total);
  return fmt::format("  {:.0f}%  ETA {}", 100 * share, duration_text(seconds / share - seconds));
}

}  // namespace

std::string count_text(double count) {
  if (count >= 1e9) return fmt::format("{:.1f}G", count / 1e9);
  if (count >= 1e6) return fmt::format("{:.1f}M", count / 1e6);
  if (count >= 1e4) return fmt::format("{:.1f}k", count / 1e3);
  return fmt::format("{:.0f}", count);
}

std::string duration_text(double seconds) {
  const auto whole = static_cast<int64_t>(seconds < 0 ? 0 : seconds + 0.5);
  const int64_t hours = whole / 3600, minutes = whole / 60 % 60;
  if (hours > 0) return fmt::format("{}:{:02}:{:02}", hours, minutes, whole % 60);
  return fmt::format("{}:{:02}", minutes, whole % 60);
}

std::string progress_text(const ProgressState& state) {
  std::string text = fmt::format("{} docs", state.documents);
  if (state.seconds > 0) {
    text += fmt::format("  {:.1f} docs/s  {} tokens/s",
                        static_cast<double>(state.documents) / state.seconds,
                        count_text(static_cast<double>(state.tokens) / state.seconds));
  }
  if (state.total_bytes) text += share_and_eta(state.done_bytes, *state.total_bytes, state.seconds);
  return text;
}

std::string download_text(const std::string& file, uint64_t done_bytes, uint64_t total_bytes,
                          double bytes_per_second) {
  const auto megabytes = [](uint64_t bytes) { return static_cast<double>(bytes) / 1e6; };
  std::string text = fmt::format("{}  {:.1f} MB", file, megabytes(done_bytes));
  if (total_bytes > 0) text += fmt::format(" of {:.1f} MB", megabytes(total_bytes));
  text += fmt::format("  {:.1f} MB/s", bytes_per_second / 1e6);
  if (bytes_per_second > 0) {
    text +=
        share_and_eta(done_bytes, total_bytes, static_cast<double>(done_bytes) / bytes_per_second);
  }
  return text;
}

bool DrawLimit::due() {
  const auto now = steady_clock::now();
  if (now - last_ < std::chrono::milliseconds(100)) return false;
  last_ = now;
  return true;
}

Progress::Progress(Console& console, bool visible, std::optional<uint64_t> total_bytes)
    : console_(console), visible_(visible && console.is_terminal()), start_(steady_clock::now()) {
  state_.total_bytes = total_bytes;
}

Progress::~Progress() {
  if (visible_) console_.clear();
}

void Progress::add(int tokens, size_t input_bytes) {
  ++state_.documents;
  state_.tokens += static_cast<uint64_t>(tokens);
  state_.done_bytes += input_bytes;
  if (!visible_ || !limit_.due()) return;
  state_.seconds = seconds_since(start_);
  console_.show(progress_text(state_));
}

std::function<void(const std::string&, uint64_t, uint64_t)> download_progress(Console& console) {
  struct State {
    std::optional<steady_clock::time_point> start;
    uint64_t start_bytes = 0;  // what an earlier, interrupted download left
    DrawLimit limit;
  };
  auto state = std::make_shared<State>();
  return [&console, state](const std::string& file, uint64_t done, uint64_t total) {
    if (!state->start) {
      state->start = steady_clock::now();
      state->start_bytes = done;
      if (!console.is_terminal()) console.say("downloading " + file);
    }
    const bool finished = total > 0 && done >= total;
    if (finished) return console.clear();
    if (!state->limit.due()) return;
    const double seconds = seconds_since(*state->start);
    const uint64_t fetched = done - std::min(done, state->start_bytes);
    console.show(download_text(file, done, total,
                               seconds > 0 ? static_cast<double>(fetched) / seconds : 0.0));
  };
}

}  // namespace wde::cli
