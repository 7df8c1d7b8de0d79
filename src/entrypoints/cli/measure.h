// Timing an engine from outside: a closed loop with a fixed number of requests under way, and the
// check that two engines answer alike. Blocking; used by one thread.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/status.h"
#include "wde/engine.h"

namespace wde::cli {

struct Sample {
  double documents_per_s = 0;
  double tokens_per_s = 0;
  double latency_p50_ms = 0;  // from submit() to the answer, of each request
  double latency_p99_ms = 0;
};

struct Spread {
  double min = 0;
  double median = 0;
  double max = 0;
};

// The q-quantile (0 … 1) by the nearest rank; `values` must not be empty.
double quantile(std::vector<double> values, double q);
// Least, median (the mean of the middle two of an even number), greatest; `values` must not be
// empty.
Spread spread(const std::vector<double>& values);

// A request of the task for each text; of kRerank, the first text is the query of all.
std::vector<Request> requests_of(Task task, std::span<const std::string> texts);

// Has so many requests answered, going round in `requests`, with `in_flight` of them under way from
// first to last. Errors: of any request.
Result<Sample> closed_loop(Engine& engine, std::span<const Request> requests, size_t count,
                           size_t in_flight);

// What one request was answered: its numbers, in an order that does not depend on them (labels by
// name), and the tokens that it took.
struct Answer {
  std::vector<float> numbers;
  SparseVector sparse;
  int tokens = 0;
};

// In the order of the requests. Errors: of any request.
Result<std::vector<Answer>> answer_all(Engine& engine, std::span<const Request> requests);

}  // namespace wde::cli
