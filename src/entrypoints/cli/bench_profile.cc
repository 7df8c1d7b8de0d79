#include "entrypoints/cli/bench_profile.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json/serialize.hpp>
#include <chrono>

#include "base/json.h"
#include "entrypoints/cli/measure.h"
#include "entrypoints/cli/progress.h"
#include "wde/machine.h"

namespace wde::cli {
namespace {

double core_seconds(const ProfileReport& report) { return report.wall_seconds * report.threads; }

double seconds_in_ops(const ProfileReport& report) {
  double sum = 0;
  for (const OpProfile& op : report.ops) sum += op.core_seconds;
  return sum;
}

double flops(const ProfileReport& report) {
  double sum = 0;
  for (const OpProfile& op : report.ops) sum += op.flops;
  return sum;
}

// GFLOP/s of all threads while they are in the op.
double gflops(const ProfileReport& report, const OpProfile& op) {
  return op.flops / op.core_seconds * report.threads * 1e-9;
}

std::string row(const ProfileReport& report, const OpProfile& op) {
  std::string text =
      fmt::format("{:<26} {:>8} {:>9.1f} {:>6.1f} %", op.op, op.calls, op.core_seconds * 1e3,
                  100 * op.core_seconds / core_seconds(report));
  const double rate = gflops(report, op);
  text += op.flops == 0
              ? fmt::format(" {:>9} {:>6}  ", "", "")
              : fmt::format(" {:>9.1f} {:>6.1f} %", rate, 100 * rate / report.peak_gflops);
  return text + fmt::format(" {:>8.1f}\n", op.bytes / op.core_seconds * report.threads * 1e-9);
}

std::string table(const ProfileReport& report) {
  const double rate = flops(report) / report.wall_seconds * 1e-9;
  std::string text = fmt::format(
      "{}, {} threads: {} texts, {} tokens in {:.2f} s: {:.1f} texts/s, {} tokens/s\n"
      "{:.1f} GFLOP/s end to end, {:.1f} % of the {:.1f} GFLOP/s of a register-only loop\n\n",
      report.config, report.threads, report.documents, count_text(report.tokens),
      report.wall_seconds, static_cast<double>(report.documents) / report.wall_seconds,
      count_text(report.tokens / report.wall_seconds), rate, 100 * rate / report.peak_gflops,
      report.peak_gflops);
  text += fmt::format("{:<26} {:>8} {:>9} {:>8} {:>9} {:>8} {:>8}\n", "op", "calls", "core ms",
                      "time", "GFLOP/s", "of peak", "GB/s");
  std::vector<OpProfile> ops = report.ops;
  std::stable_sort(ops.begin(), ops.end(), [](const OpProfile& a, const OpProfile& b) {
    return a.core_seconds > b.core_seconds;
  });
  for (const OpProfile& op : ops) text += row(report, op);
  const double outside = core_seconds(report) - seconds_in_ops(report);
  return text + fmt::format("{:<26} {:>8} {:>9.1f} {:>6.1f} %\n", "outside ops", "", outside * 1e3,
                            100 * outside / core_seconds(report));
}

json::object to_json(const ProfileReport& report) {
  json::array ops;
  for (const OpProfile& op : report.ops) {
    ops.push_back(json::object{{"op", op.op},
                               {"calls", op.calls},
                               {"core_seconds", op.core_seconds},
                               {"flops", op.flops},
                               {"bytes", op.bytes}});
  }
  return {{"config", report.config},
          {"threads", report.threads},
          {"wall_seconds", report.wall_seconds},
          {"documents", report.documents},
          {"tokens", report.tokens},
          {"peak_gflops", report.peak_gflops},
          {"ops", std::move(ops)}};
}

}  // namespace

Result<ProfileReport> profile_bulk(Engine& engine, std::span<const Request> requests,
                                   double seconds) {
  ProfileReport report{.threads = engine.info().threads};
  const auto in_flight = static_cast<size_t>(engine.info().max_batch_requests) * 4;
  WDE_RETURN_IF_ERROR(closed_loop(engine, requests, requests.size(), in_flight).status());
  engine.take_profile();
  const double before = peak_gflops(engine.info().dtype, report.threads);
  const auto begin = std::chrono::steady_clock::now();
  do {
    WDE_ASSIGN_OR_RETURN(const Sample sample,
                         closed_loop(engine, requests, requests.size(), in_flight));
    report.documents += requests.size();
    report.tokens +=
        sample.tokens_per_s / sample.documents_per_s * static_cast<double>(requests.size());
    report.wall_seconds =
        std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  } while (report.wall_seconds < seconds);
  report.ops = engine.take_profile();
  report.peak_gflops = std::max(before, peak_gflops(engine.info().dtype, report.threads));
  return report;
}

std::string profile_table(std::span<const ProfileReport> reports) {
  std::string text;
  for (const ProfileReport& report : reports) {
    if (!text.empty()) text += "\n";
    text += table(report);
  }
  return text;
}

std::string profile_json(std::span<const ProfileReport> reports) {
  json::array all;
  for (const ProfileReport& report : reports) all.push_back(to_json(report));
  return boost::json::serialize(all) + "\n";
}

}  // namespace wde::cli
