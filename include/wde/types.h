// What a client of the engine says and is told: requests, responses, and the options of an engine.
// Public; plain values.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "wde/status.h"

namespace wde {

using Clock = std::chrono::steady_clock;
using RequestId = uint64_t;

enum class Task {
  kEmbed,           // one vector per input
  kHidden,          // the last hidden state of every token
  kMultiVector,     // a vector for every token that late interaction compares (ColBERT)
  kSparse,          // weights of vocabulary entries (SPLADE, bge-m3)
  kHybrid,          // a dense vector, a sparse one and a multi-vector from one pass (bge-m3)
  kRerank,          // how well the second text of a pair answers the first
  kClassify,        // a score for each label
  kClassifyTokens,  // labelled spans of the text
};

// In the enum's order.
std::span<const Task> all_tasks();
// "embed", "hidden", "multivector", "sparse", "hybrid", "rerank", "classify", "classify-tokens".
std::string_view task_name(Task task);
std::optional<Task> parse_task(std::string_view name);

struct TextPair {
  std::string first;
  std::string second;
};

// A text, a pair of texts, or token ids, special ones included (nothing is added to them).
using Input = std::variant<std::string, TextPair, std::vector<int32_t>>;

enum class TruncationSide { kLeft, kRight };
enum class OverLong {
  kTruncate,  // drop tokens at the truncation side
  kError,     // refuse the request
  // kEmbed: compute parts of the text as texts of their own, and answer the mean of their vectors.
  // A part has at most the limit's tokens, special ones and the prompt's included; parts are nearly
  // of one length and weigh as many as they have tokens of the text. The mean is taken of vectors
  // that are not normalized; then it is cut and normalized as any vector.
  kAverage,
};

// How the labels of single tokens become spans, as transformers' TokenClassificationPipeline does
// it.
enum class Aggregation {
  kNone,     // every token for itself, B- and I- kept
  kSimple,   // neighbours of one label are joined
  kFirst,    // then a word has the label of its first token,
  kAverage,  // the best of its tokens' mean scores,
  kMax,      // or the label of its surest token
};
// "none", "simple", "first", "average", "max".
std::optional<Aggregation> parse_aggregation(std::string_view name);

struct Request {
  Task task = Task::kEmbed;
  Input input;
  // A key of the model's prompts, put before the text; unset means the engine's default prompt.
  std::optional<std::string> prompt_name;
  // One of the model's adapters (jina-embeddings-v3: a task); unset means the engine's default one,
  // "" none.
  std::optional<std::string> adapter;
  // What to do with a text over the length limit; unset means the engine's setting. kAverage goes
  // with kEmbed only, and not with pairs.
  std::optional<OverLong> over_long;
  std::optional<TruncationSide> truncation_side;
  // kEmbed: L2-normalize; unset means as the model does.
  std::optional<bool> normalize;
  // kEmbed: keep the first so many components (Matryoshka), then renormalize where the vector is
  // normalized.
  std::optional<int> dimensions;
  // kRerank, kClassify: logits instead of the model's scores.
  bool raw_scores = false;
  // kClassifyTokens; unset means kSimple.
  std::optional<Aggregation> aggregation;
  // Not computed when it could only be after this.
  std::optional<Clock::time_point> deadline;
};

// When a request reached each station.
struct Timestamps {
  Clock::time_point arrival;    // submit() was called
  Clock::time_point tokenized;  // it entered the scheduler's queue
  Clock::time_point scheduled;  // it was picked into a batch
  Clock::time_point begin;      // the device began with the batch
  Clock::time_point end;        // its answer was on the host
};

// fp32, row-major.
struct Matrix {
  int64_t rows = 0;
  int64_t columns = 0;
  std::vector<float> values;
};

// Entries above 0, by ascending index (a token id).
struct SparseVector {
  std::vector<int32_t> indices;
  std::vector<float> values;  // parallel to indices
};

struct LabelScore {
  std::string label;
  float score = 0;
};

// Code points [begin, end) of the input, and the text they are.
struct LabelledSpan {
  int begin = 0;
  int end = 0;
  std::string label;
  float score = 0;
  std::string text;
};

// The answer to one request. Which parts are filled is the task's to say:
//   kEmbed, kRerank         `rows` x `columns` values (fp32, row-major): one row
//   kHidden, kMultiVector   the same: a row per token, special ones included; of kMultiVector the
//                           tokens that the model keeps
//   kSparse                 sparse
//   kHybrid                 values (the dense vector), sparse, token_vectors
//   kClassify               labels, by descending score; equal ones in the model's order
//   kClassifyTokens         spans, in the order of the text
struct Response {
  Task task = Task::kEmbed;
  int64_t rows = 0;
  int64_t columns = 0;
  std::vector<float> values;
  SparseVector sparse;
  Matrix token_vectors;
  std::vector<LabelScore> labels;
  std::vector<LabelledSpan> spans;
  int tokens = 0;          // of the input as computed, special tokens included; of all its parts
  int characters = 0;      // code points of the input
  bool truncated = false;  // the input was over the length limit, and tokens of it were dropped
  int parts = 1;           // texts that the input was computed as; more than 1: their mean
  Timestamps timestamps;
};

// Called exactly once for each accepted request, on an engine thread: be quick, don't block, don't
// throw.
using Callback = std::function<void(Result<Response>)>;

// How an engine is made. An empty string or optional means "as the model's files say", else the
// default.
struct EngineOptions {
  std::string model;              // a folder, a GGUF file, or a hub id
  std::string revision;           // of a hub id
  std::string hub_token;          // instead of HF_TOKEN's
  std::string hub_cache;          // instead of HF_HUB_CACHE's, a folder
  std::string workflow;           // forces a workflow by name
  std::optional<Task> task;       // passes over workflows that do not serve it
  std::string dtype = "auto";     // f32 | bf16 | int8 (of linear layers) | auto (f32)
  std::string device = "auto";    // cpu | auto
  std::string isa;                // forces an instruction set by name
  std::string attention_backend;  // forces an attention backend by name
  std::string gemm_backend;       // forces a GEMM backend by name
  std::string executor;           // simple | double_buffer
  std::string pooling;            // overrides the model's
  std::optional<bool> normalize;  // overrides the model's
  // Of a decoder: whether tokens see those behind them, whatever the model's files say.
  std::optional<bool> enable_bidirectional;
  // Of a language model that reranks, instead of what its files say. The template: a known one's
  // name, or a file with one in Jinja. The words whose logit, or difference of logits, is the
  // score; naming the first alone leaves the second out.
  std::string rerank_template;
  std::string true_token, false_token;
  std::string step_token;  // of a process reward model: what ends a step
  // Texts of a batch that begin with the same tokens compute them once, where the model and the
  // task allow it; the answers have the same bits. Unset: where they do.
  std::optional<bool> share_prefixes;
  std::optional<int> max_length;  // lowers the length limit, in tokens
  OverLong over_long = OverLong::kTruncate;
  TruncationSide truncation_side = TruncationSide::kRight;
  std::optional<std::string> prompt;       // the text put before every input; excludes prompt_name
  std::optional<std::string> prompt_name;  // the default prompt's name
  std::optional<std::string> adapter;      // the default one of the model's adapters; unset: none
  std::vector<std::string> lora;  // PEFT adapters to merge, in this order: folders, hub ids
  int max_batch_tokens = 0;       // 0: as the device likes it (a CPU 4096, others 16384)
  int max_batch_requests = 512;
  // Texts of more tokens are long: each is computed alone, in chunks of half as many tokens, and
  // shorter texts pass between. 0: half of a batch, at least 2048.
  int long_text_tokens = 0;
  int max_queued_requests = 4096;   // accepted and not yet in a batch
  int threads = 0;                  // CPU threads that compute; 0: every core this process may use
  int request_threads = 0;          // threads that tokenize; 0: as many as `threads`
  bool profile = false;             // note time and work by op, for Engine::take_profile
  int data_parallel = 1;            // workers that share one copy of the weights
  double memory_utilization = 0.9;  // share of the device's memory that the plan may use
  // Called while a hub id is downloaded: file, bytes done, bytes in all (0: unknown).
  std::function<void(const std::string& file, uint64_t done_bytes, uint64_t total_bytes)>
      download_progress;
};

}  // namespace wde
