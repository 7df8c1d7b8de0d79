// The C++ API: text in, vectors out.
//
//   wde::EngineOptions options;
//   options.model = "sentence-transformers/all-MiniLM-L6-v2";
//   auto engine = wde::Engine::load(options);
//   if (!engine.ok()) { … engine.status().message() … }
//   auto answer = (*engine)->run({.input = "a text"});
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "wde/types.h"

namespace wde {

// One module that was chosen, for `wde info`: {"attention", "flash"}.
struct ChosenModule {
  std::string slot;
  std::string name;
};

// What a loaded engine is.
struct ModelInfo {
  std::string model;     // as asked for
  std::string path;      // the folder it was read from
  std::string revision;  // commit of a hub snapshot, else empty
  std::string architecture;
  std::vector<std::string> routes;  // of a Router of sentence-transformers; empty without one
  std::string route;                // the one that this engine serves: EngineOptions.prompt_name's
  std::string dtype;                // "f32", "bf16", "int8": never "auto"
  std::string device;
  std::vector<Task> tasks;
  std::vector<ChosenModule> modules;
  std::string pooling;
  bool normalize = false;
  std::string similarity;  // the model's own name for how its vectors compare; may be empty
  std::vector<std::string> labels;  // of kClassify and kClassifyTokens, in the logits' order
  int hidden_size = 0;              // columns of kHidden
  int embedding_size = 0;           // columns of kEmbed; 0 where it is not served
  int sparse_size = 0;              // indices of sparse vectors are below it; 0 without kSparse
  int vocab_size = 0;               // token ids are below it
  int max_length = 0;               // tokens
  int max_batch_tokens = 0;         // of a batch that is no long text
  int max_batch_requests = 0;
  int long_text_tokens = 0;  // longer texts are long: EngineOptions.long_text_tokens
  int threads = 0;           // that compute, of all workers
  size_t weight_bytes = 0;
  size_t mapped_bytes = 0;  // of these, tables that are read where the files are mapped: resident
                            // as far as they were read, and the system may take them back
  size_t workspace_bytes = 0;  // of all workers, batches in flight included
  size_t tokenizer_bytes = 0;  // 0 where the allocator does not tell
  size_t queue_bytes = 0;      // at most: ids of max_queued_requests texts of max_length tokens
  size_t memory_limit_bytes = 0;
  std::vector<std::string> prompt_names;
  std::vector<std::string> prompts;  // their texts, in the same order
};

// All calls of one op ("linear 1536x384 gelu", "attention"): its arithmetic and the bytes that it
// reads and writes once. `core_seconds` is wall time times the threads that the op may split over.
struct OpProfile {
  std::string op;
  int64_t calls = 0;
  double core_seconds = 0;
  double flops = 0;
  double bytes = 0;
};

struct Token {
  int32_t id = 0;
  std::string text;
  bool special = false;
  int begin = 0;  // code points of the text as given; both 0 for special tokens
  int end = 0;
};

// The text side of a model alone: no weights are read. Thread-safe.
class TextTokenizer {
 public:
  // Resolves the model and reads its tokenizer. Errors: as Engine::load.
  static Result<std::unique_ptr<TextTokenizer>> load(const EngineOptions& options);
  virtual ~TextTokenizer() = default;

  // Special tokens added unless told otherwise; never truncated, no prompt. Ill-formed UTF-8 is
  // read as U+FFFD.
  virtual Result<std::vector<Token>> tokenize(const Input& input,
                                              bool add_special_tokens) const = 0;
  // The ids of tokenize() alone, several times as fast.
  virtual Result<std::vector<int32_t>> token_ids(const Input& input,
                                                 bool add_special_tokens) const = 0;
  // Errors: kInvalidArgument for an id outside the vocabulary.
  virtual Result<std::string> decode(std::span<const int32_t> ids,
                                     bool skip_special_tokens) const = 0;
};

// Thread-safe. Destruction shuts down.
class Engine {
 public:
  // Resolves the model, chooses the workflow, loads the weights, plans memory, starts the threads.
  // Blocks. Errors: kNotFound, kDataLoss (files), kUnsupported (architecture, module),
  // kInvalidArgument (an option: the message names it), kResourceExhausted (memory: with the
  // numbers), kIoError (network).
  static Result<std::unique_ptr<Engine>> load(const EngineOptions& options);
  // What load() would make, with the memory it would take: everything is loaded and measured, then
  // released again. Errors: as load(), a lack of memory included.
  static Result<ModelInfo> plan(const EngineOptions& options);

  virtual ~Engine() = default;

  // Accepts a request and returns at once, or refuses it and never calls `done`. An accepted
  // request is answered exactly once, whatever happens. Errors: kInvalidArgument, kUnsupported,
  // kEmptyInput (fields), kOverloaded (queue full), kShuttingDown.
  virtual Result<RequestId> submit(Request request, Callback done) = 0;
  // The same, but waits for room in the queue instead of refusing with kOverloaded. Blocks.
  virtual Result<RequestId> submit_when_room(Request request, Callback done) = 0;
  // Takes a request back: if it (of an averaged text, any part) is not in a batch yet it is
  // answered kCancelled, else it runs to its end.
  virtual void cancel(RequestId id) = 0;

  // Blocking conveniences. The answers come in the order of the requests.
  Result<Response> run(Request request);
  std::vector<Result<Response>> run_all(std::vector<Request> requests);

  // The model's tokenizer; lives as long as the engine.
  virtual const TextTokenizer& tokenizer() const = 0;

  virtual const ModelInfo& info() const = 0;
  // Requests accepted and not yet answered.
  virtual size_t pending() const = 0;
  // Prometheus text exposition of this engine's counters.
  virtual std::string metrics() const = 0;

  // What each op took since the last call; empty unless EngineOptions.profile was set.
  virtual std::vector<OpProfile> take_profile() = 0;

  // Takes no new work, answers everything accepted, stops the threads. Blocks; idempotent.
  virtual void shutdown() = 0;
};

}  // namespace wde
