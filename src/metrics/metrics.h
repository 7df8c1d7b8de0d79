// What the engine counts, by the names that text-embeddings-inference gave them (te_*), for
// Prometheus to scrape. It counts inputs; whoever serves requests of several inputs counts those.
// Owned by the engine and passed by reference; thread-safe; an update looks nothing up and
// allocates nothing. It must not know how the text is served.
#pragma once

#include <cstddef>
#include <memory>
#include <string>

#include "wde/types.h"

namespace wde::metrics {

class Metrics {
 public:
  Metrics();
  ~Metrics();
  Metrics(const Metrics&) = delete;
  Metrics& operator=(const Metrics&) = delete;

  // An accepted input was answered with a result. te_embed_count, te_embed_success,
  // te_request_input_length; and in seconds te_embed_duration (arrival to end),
  // te_embed_tokenization_duration (arrival to tokenized), te_embed_queue_duration (tokenized to
  // scheduled) and te_embed_inference_duration (scheduled to end). `tokens` counts special tokens
  // too. te_predict_* instead of te_embed_* where the task gives scores or spans.
  void request_succeeded(Task task, const Timestamps& timestamps, int tokens);
  // An accepted input was answered with an error: te_embed_count and te_embed_failure{err=code},
  // the code's name; or te_predict_*.
  void request_failed(Task task, StatusCode code);

  // A batch was put together: te_batch_next_size, te_batch_next_tokens.
  void observe_batch(size_t requests, size_t tokens);

  // Accepted inputs that are not yet in a batch: te_queue_size.
  void set_queue_size(size_t requests);

  // Everything, in Prometheus's text exposition format 0.0.4. May be called at any time.
  std::string expose() const;

 private:
  struct Families;
  std::unique_ptr<Families> families_;
};

}  // namespace wde::metrics
