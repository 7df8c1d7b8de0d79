// An engine for the tests of the HTTP server: no model, answers that a test can predict, and
// levers. Answers come from a thread of its own, as the real engine's do.
#pragma once

#include <condition_variable>
#include <deque>
#include <mutex>
#include <set>
#include <thread>

#include "base/status.h"
#include "base/utf8.h"
#include "wde/engine.h"

namespace wde::http::test {

// Splits at single spaces; ids are word lengths, with 101 before and 102 after. Decoding gives
// "#id".
class FakeTokenizer final : public TextTokenizer {
 public:
  Result<std::vector<Token>> tokenize(const Input& input, bool add_special_tokens) const override {
    const std::string& text = std::get<std::string>(input);
    std::vector<Token> tokens;
    if (add_special_tokens) tokens.push_back({101, "[CLS]", true, 0, 0});
    int point = 0;
    for (size_t at = 0; at < text.size();) {
      const size_t end = std::min(text.find(' ', at), text.size());
      const int points = static_cast<int>(count_code_points(text.substr(at, end - at)));
      if (points > 0) tokens.push_back({points, "vocabulary entry", false, point, point + points});
      point += points + 1;
      at = end + 1;
    }
    if (add_special_tokens) tokens.push_back({102, "[SEP]", true, 0, 0});
    return tokens;
  }

  Result<std::vector<int32_t>> token_ids(const Input& input,
                                         bool add_special_tokens) const override {
    WDE_ASSIGN_OR_RETURN(const std::vector<Token> tokens, tokenize(input, add_special_tokens));
    std::vector<int32_t> ids;
    for (const Token& token : tokens) ids.push_back(token.id);
    return ids;
  }

  Result<std::string> decode(std::span<const int32_t> ids,
                             bool skip_special_tokens) const override {
    std::string text;
    for (const int32_t id : ids) {
      if (id >= 1000)
        return invalid_argument_error("token id {} is outside the vocabulary of 1000", id);
      if (skip_special_tokens && (id == 101 || id == 102)) continue;
      text += "#" + std::to_string(id);
    }
    return text;
  }
};

class FakeEngine final : public Engine {
 public:
  // Of every embedding; texts of more words than kMaxWords are over-long.
  static constexpr int kColumns = 4;
  static constexpr int kMaxWords = 100;

  FakeEngine() {
    info_.model = "test/model";
    info_.revision = "abc123";
    info_.dtype = "f32";
    info_.device = "cpu";
    info_.pooling = "mean";
    info_.tasks = {Task::kEmbed, Task::kHidden};
    info_.embedding_size = kColumns;
    info_.max_length = kMaxWords;
    info_.max_batch_tokens = 16384;
    info_.max_batch_requests = 64;
    info_.prompt_names = {"document", "query"};
    info_.prompts = {"", "ask: "};
    thread_ = std::thread([this] { run_loop(); });
  }
  ~FakeEngine() override { shutdown(); }

  // While held, requests are accepted and wait.
  void hold() {
    const std::lock_guard lock(mutex_);
    held_ = true;
  }
  void release() {
    const std::lock_guard lock(mutex_);
    held_ = false;
    changed_.notify_all();
  }
  void limit_queue(size_t requests) {
    const std::lock_guard lock(mutex_);
    max_queued_ = requests;
  }
  void serve_only(Task task) { info_.tasks = {task}; }
  void serve(std::vector<Task> tasks, std::vector<std::string> labels = {}) {
    info_.tasks = std::move(tasks);
    info_.labels = std::move(labels);
  }
  // Blocks until so many requests wait.
  void await_pending(size_t requests) const {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return queue_.size() == requests; });
  }
  // Blocks until so many requests were taken back.
  void await_cancelled(size_t requests) const {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return cancelled_ == requests; });
  }
  size_t accepted() const {
    const std::lock_guard lock(mutex_);
    return accepted_;
  }
  std::vector<Request> seen() const {
    const std::lock_guard lock(mutex_);
    return seen_;
  }

  // What the server must answer for a text: {words, 1, 2, 3}, or its first components.
  static std::vector<float> embedding_of(const Input& input) {
    return {static_cast<float>(words_of(input)), 0.5f, -0.25f, 0.1f};
  }

  Result<RequestId> submit(Request request, Callback done) override {
    const std::lock_guard lock(mutex_);
    WDE_RETURN_IF_ERROR(check(request));
    if (!accepting_) return shutting_down_error("the engine is shutting down");
    if (queue_.size() >= max_queued_) return overloaded_error("the queue is full");
    seen_.push_back(request);
    queue_.push_back({++accepted_, std::move(request), std::move(done)});
    changed_.notify_all();
    return accepted_;
  }
  Result<RequestId> submit_when_room(Request request, Callback done) override {
    return submit(std::move(request), std::move(done));
  }
  void cancel(RequestId id) override {
    const std::lock_guard lock(mutex_);
    for (Job& job : queue_) job.cancelled = job.cancelled || job.id == id;
    changed_.notify_all();
  }
  const TextTokenizer& tokenizer() const override { return tokenizer_; }
  const ModelInfo& info() const override { return info_; }
  size_t pending() const override {
    const std::lock_guard lock(mutex_);
    return queue_.size();
  }
  std::vector<OpProfile> take_profile() override { return {}; }
  std::string metrics() const override { return "te_queue_size 0\n"; }
  void shutdown() override {
    {
      const std::lock_guard lock(mutex_);
      accepting_ = held_ = false;
      changed_.notify_all();
    }
    if (thread_.joinable()) thread_.join();
  }

 private:
  struct Job {
    RequestId id;
    Request request;
    Callback done;
    bool cancelled = false;
  };

  static int words_of(const Input& input) {
    if (const auto* ids = std::get_if<std::vector<int32_t>>(&input))
      return static_cast<int>(ids->size());
    // A pair counts by its second text.
    const auto* pair = std::get_if<TextPair>(&input);
    const std::string& text = pair != nullptr ? pair->second : std::get<std::string>(input);
    return text.empty() ? 0 : static_cast<int>(std::count(text.begin(), text.end(), ' ')) + 1;
  }

  Status check(const Request& request) const {
    if (std::find(info_.tasks.begin(), info_.tasks.end(), request.task) == info_.tasks.end()) {
      return unsupported_error("this model does not serve the task");
    }
    if (request.dimensions && (*request.dimensions < 1 || *request.dimensions > kColumns)) {
      return invalid_argument_error("\"dimensions\" must be between 1 and 4, not {}",
                                    *request.dimensions);
    }
    if (request.prompt_name && *request.prompt_name != "query") {
      return invalid_argument_error("unknown prompt name \"{}\"", *request.prompt_name);
    }
    const auto* ids = std::get_if<std::vector<int32_t>>(&request.input);
    if (ids != nullptr && ids->empty()) return empty_input_error("the list of token ids is empty");
    return {};
  }

  static Result<Response> compute(const Job& job) {
    if (job.cancelled) return cancelled_error("cancelled by the client");
    const int words = words_of(job.request.input);
    if (words > kMaxWords && job.request.over_long == OverLong::kError) {
      return invalid_argument_error("the input has {} tokens, the limit is {}", words, kMaxWords);
    }
    Response response;
    response.task = job.request.task;
    response.rows = job.request.task == Task::kHidden ? words + 2 : 1;
    response.columns = job.request.dimensions.value_or(kColumns);
    const std::vector<float> row = embedding_of(job.request.input);
    for (int64_t i = 0; i < response.rows; ++i) {
      response.values.insert(response.values.end(), row.begin(), row.begin() + response.columns);
    }
    answer_task(job.request, words, &response);
    response.tokens = words + 2;
    if (const auto* text = std::get_if<std::string>(&job.request.input)) {
      response.characters = static_cast<int>(count_code_points(*text));
    }
    const Clock::time_point now = Clock::now();
    response.timestamps = {now, now, now, now, now};
    return response;
  }

  // What the tasks beside vectors answer, predictable from the number of words.
  static void answer_task(const Request& request, int words, Response* response) {
    const auto score = static_cast<float>(words);
    const SparseVector sparse{.indices = {words, words + 7}, .values = {0.5f, score}};
    switch (request.task) {
      case Task::kRerank:
        response->values = {request.raw_scores ? -score : score};
        break;
      case Task::kClassify:
        response->labels = {{"yes", request.raw_scores ? 2 * score : score}, {"no\"", 0}};
        break;
      case Task::kClassifyTokens:
        response->spans = {{.begin = 0, .end = words, .label = "W", .score = 1, .text = "é"}};
        break;
      case Task::kSparse:
        response->sparse = sparse;
        break;
      case Task::kHybrid:
        response->sparse = sparse;
        response->token_vectors = {.rows = 2, .columns = 1, .values = {0.25f, score}};
        break;
      default:
        break;
    }
  }

  // The next job to answer: a cancelled one even while held.
  std::deque<Job>::iterator next() {
    if (!held_) return queue_.begin();
    return std::find_if(queue_.begin(), queue_.end(), [](const Job& job) { return job.cancelled; });
  }

  void run_loop() {
    std::unique_lock lock(mutex_);
    for (;;) {
      changed_.wait(lock,
                    [this] { return next() != queue_.end() || (!accepting_ && queue_.empty()); });
      if (queue_.empty()) return;
      const auto found = next();
      Job job = std::move(*found);
      queue_.erase(found);
      cancelled_ += job.cancelled;
      changed_.notify_all();
      lock.unlock();
      job.done(compute(job));
      lock.lock();
    }
  }

  FakeTokenizer tokenizer_;
  ModelInfo info_;
  mutable std::mutex mutex_;
  mutable std::condition_variable changed_;
  std::deque<Job> queue_;
  std::vector<Request> seen_;
  size_t max_queued_ = 1 << 20;
  size_t accepted_ = 0;
  size_t cancelled_ = 0;
  bool held_ = false;
  bool accepting_ = true;
  std::thread thread_;
};

}  // namespace wde::http::test
