#include "entrypoints/cli/stream.h"

#include <algorithm>
#include <deque>
#include <memory>
#include <string>
#include <thread>
#include <utility>

namespace wde::cli {
namespace {

constexpr size_t kAnswerBytes = size_t{256} << 20;

std::string line_name(uint64_t line) { return fmt::format("line {}", line); }

// The latest requests, those that may still be under way.
using RecentRequests = std::deque<RequestId>;

void remember(RequestId id, size_t most, RecentRequests* recent) {
  recent->push_back(id);
  if (recent->size() > most) recent->pop_front();
}

Result<Request> make_request(const RequestMaker& maker, Input line) {
  Request request = maker.fields;
  if (maker.input == nullptr) {
    request.input = std::move(line);
    return request;
  }
  WDE_ASSIGN_OR_RETURN(request.input, maker.input(std::move(line)));
  return request;
}

// The reading side, on a thread of its own. Errors are of the input alone: a request's go to its
// place.
Status submit_lines(Engine& engine, LineSource& input, const RequestMaker& maker,
                    const std::shared_ptr<OrderedAnswers>& answers, RecentRequests* recent) {
  while (true) {
    WDE_ASSIGN_OR_RETURN(std::optional<InputLine> line, input.next());
    if (!line) return {};
    const std::optional<uint64_t> ticket = answers->reserve(line->number, line->bytes);
    if (!ticket) return {};
    Result<Request> request = make_request(maker, std::move(line->input));
    if (!request.ok()) {
      answers->answer(*ticket, request.status());
      continue;
    }
    const Result<RequestId> accepted = engine.submit_when_room(
        std::move(request).value(), [answers, ticket](Result<Response> response) {
          answers->answer(*ticket, std::move(response));
        });
    if (accepted.ok()) remember(*accepted, answers->limits().questions, recent);
    if (!accepted.ok()) answers->answer(*ticket, accepted.status());
  }
}

// The writing side: until the last answer or the first error.
Status write_answers(OrderedAnswers& answers, Sink& sink, Progress& progress,
                     StreamTotals* totals) {
  while (std::optional<OrderedAnswers::Answer> answer = answers.next()) {
    if (!answer->response.ok())
      return answer->response.status().with_context(line_name(answer->line));
    const int tokens = answer->response->tokens;
    ++totals->documents;
    totals->tokens += static_cast<uint64_t>(tokens);
    totals->truncated += answer->response->truncated ? 1 : 0;
    totals->averaged += answer->response->parts > 1 ? 1 : 0;
    WDE_RETURN_IF_ERROR(sink.write(std::move(answer->response).value()));
    if (!answers.ready()) WDE_RETURN_IF_ERROR(sink.flush());
    progress.add(tokens, answer->bytes + 1);
  }
  return {};
}

}  // namespace

void report_over_long(const StreamTotals& totals, std::string_view what, int max_length,
                      Console& console) {
  const auto say = [&](uint64_t count, std::string_view fate) {
    if (count == 0) return;
    console.say(fmt::format("{} of {} {} were longer than {} tokens and were {}", count,
                            totals.documents, what, max_length, fate));
  };
  say(totals.truncated, "truncated");
  say(totals.averaged, "averaged over their parts");
}

OrderedAnswers::Limits stream_limits(const ModelInfo& info, Task task) {
  const auto at_least_one = [](int count) { return static_cast<size_t>(std::max(1, count)); };
  const size_t row_bytes = at_least_one(info.hidden_size) * sizeof(float);
  const bool per_token =
      task == Task::kHidden || task == Task::kMultiVector || task == Task::kHybrid;
  const size_t rows = per_token ? at_least_one(info.max_length) : 1;
  // Two batches compute and wait, as many again are picked from.
  const size_t wanted = 4 * at_least_one(info.max_batch_requests);
  OrderedAnswers::Limits limits;
  limits.questions =
      std::clamp(kAnswerBytes / (row_bytes * rows), size_t{2}, std::max(wanted, size_t{2}));
  return limits;
}

Status stream(Engine& engine, LineSource& input, const RequestMaker& maker, Sink& sink,
              Progress& progress, StreamTotals* totals) {
  const auto answers =
      std::make_shared<OrderedAnswers>(stream_limits(engine.info(), maker.fields.task));
  Status read;
  RecentRequests recent;
  std::thread reader([&] {
    read = submit_lines(engine, input, maker, answers, &recent);
    answers->finish();
  });
  Status written = write_answers(*answers, sink, progress, totals);
  answers->cancel();
  input.stop();
  reader.join();
  // Nobody reads what is still to come: without this, the engine would compute it before it ends.
  if (!written.ok())
    std::for_each(recent.begin(), recent.end(), [&](RequestId id) { engine.cancel(id); });
  const Status finished = sink.finish();
  if (!written.ok()) return written;
  return read.ok() ? finished : read;
}

}  // namespace wde::cli
