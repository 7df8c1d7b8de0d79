// What the stations of a request hand each other: Request (public) → SchedulableRequest → Batch →
// ModelInput → RawOutput → Response (public). Plain values; each has one owner at a time.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "schema/averaging.h"
#include "tensor/tensor.h"
#include "wde/types.h"

namespace wde::schema {

// A request from the moment it is accepted until it is answered. Shared by the engine's table of
// pending requests (for cancel) and the station that holds the request.
class Ticket {
 public:
  Ticket(RequestId id, Callback done) : id_(id), done_(std::move(done)) {}
  RequestId id() const { return id_; }
  void cancel() { cancelled_.store(true, std::memory_order_relaxed); }
  bool cancelled() const { return cancelled_.load(std::memory_order_relaxed); }
  // Answers; only the first call does anything. Any thread.
  void answer(Result<Response> result) {
    if (!answered_.exchange(true)) done_(std::move(result));
  }
  // Nobody waits for what is still to be computed: the request was taken back, or another part of
  // its text has failed.
  bool abandoned() const { return cancelled() || answered_.load(std::memory_order_relaxed); }

 private:
  const RequestId id_;
  Callback done_;
  std::atomic<bool> cancelled_{false};
  std::atomic<bool> answered_{false};
};

// How rows become the client's answer; resolved from the request and the model's defaults.
struct OutputSpec {
  bool normalize = false;
  int dimensions = 0;  // 0: all
  bool raw_scores = false;
  Aggregation aggregation = Aggregation::kSimple;
};

// Where a token lies in the text, for answers that are spans of it.
struct TextToken {
  int begin = 0;  // code points
  int end = 0;
  bool special = false;         // no text stands behind it
  bool continues_word = false;  // it goes on with the word of the token before it
};

// A request, or a part of one, that is ready for a batch: tokenized, truncated, checked.
struct SchedulableRequest {
  std::shared_ptr<Ticket> ticket;  // parts of one text share it
  Task task = Task::kEmbed;
  std::vector<int32_t> ids;
  std::vector<int32_t> type_ids;  // parallel to ids
  int adapter = -1;               // which of the model's; -1: none
  int pooling_skip = 0;           // leading tokens (a prompt's) that pooling leaves out
  int attended = 0;               // leading tokens that all others see; 0: every one
  std::vector<uint8_t> kept;      // multi-vectors: 1 for tokens that are answered; empty: all are
  std::string text;               // kClassifyTokens: the input, well-formed UTF-8
  std::vector<TextToken> text_tokens;  // kClassifyTokens: parallel to ids
  int characters = 0;
  bool truncated = false;
  std::shared_ptr<Averaging> averaging;  // of a part; null: the request is computed as one text
  size_t part = 0;                       // which of averaging's it is
  OutputSpec output;
  std::optional<Clock::time_point> deadline;
  Timestamps timestamps;

  int tokens() const { return static_cast<int>(ids.size()); }
};

// Requests that are computed together. All have the same task and adapter; together they keep the
// scheduler's budgets.
struct Batch {
  std::vector<SchedulableRequest> requests;
  int64_t tokens = 0;
  bool long_text = false;  // one text alone, computed in chunks

  bool empty() const { return requests.empty(); }
};

// A run of whole sequences of a batch that is computed as one forward pass. Its tokens are those of
// its segments: first the prefix that all of its sequences share, where they do, then each
// sequence without it.
struct Shard {
  int64_t token_begin = 0;
  int64_t tokens = 0;
  int64_t sequence_begin = 0;
  int64_t sequences = 0;
  int64_t segment_begin = 0;
  int64_t prefix_tokens = 0;  // 0: no prefix is shared
  // Where its segments + 1 entries begin in ModelInput's cu_seqlens section.
  int64_t cu_seqlens_begin = 0;
  int max_seqlen = 0;  // with the prefix

  int64_t prefixes() const { return prefix_tokens > 0 ? 1 : 0; }
  int64_t segments() const { return prefixes() + sequences; }
};

// A ragged batch as the device gets it: one block of i32, copied as a whole, in sections of these
// sizes:
//   ids [T] | positions [T] | type_ids [T] | skip [B] | keys [B] | cu_seqlens [S + shards] |
//   continues [S]
// for S segments; each shard's cu_seqlens start again from 0, and its `continues` count its own
// segments: the prefix that a segment continues, or -1. Without prefixes, S is B and the last
// section is absent.
struct ModelInput {
  std::span<int32_t> block;  // host memory of the slot that the batch runs in; not owned
  int64_t tokens = 0;        // T: those that are computed
  int64_t sequences = 0;     // B
  int64_t segments = 0;      // S
  Task task = Task::kEmbed;
  int adapter = -1;
  bool limits_keys = false;  // some sequence has tokens that others do not see: read `keys`
  int64_t chunk_rows = 0;    // a long text: so many rows at a time; 0: all at once
  std::vector<Shard> shards;

  size_t ids_offset() const { return 0; }
  size_t positions_offset() const { return static_cast<size_t>(tokens); }
  size_t type_ids_offset() const { return static_cast<size_t>(2 * tokens); }
  size_t skip_offset() const { return static_cast<size_t>(3 * tokens); }
  size_t keys_offset() const { return static_cast<size_t>(3 * tokens + sequences); }
  size_t cu_seqlens_offset() const { return static_cast<size_t>(3 * tokens + 2 * sequences); }
  size_t continues_offset() const {
    return cu_seqlens_offset() + static_cast<size_t>(segments) + shards.size();
  }
  bool shares_prefixes() const { return segments > sequences; }
  size_t used() const {
    return continues_offset() + (shares_prefixes() ? static_cast<size_t>(segments) : 0);
  }

  // Elements of a block that holds any batch within the budgets, however it is sharded: a prefix is
  // shared by two sequences at least.
  static size_t capacity(int64_t max_tokens, int64_t max_sequences) {
    const int64_t max_segments = max_sequences + max_sequences / 2;
    return static_cast<size_t>(3 * max_tokens + 3 * max_sequences + 2 * max_segments + 1);
  }
};

// The rows of one head, in the batch's order: one per sequence, or one per token.
struct RawPart {
  std::span<const float> values;
  int64_t columns = 0;
  bool per_token = false;
};

// What came back from the device: a part for each head of the batch's task. The values lie in the
// slot's host memory and are valid until the slot is reused.
struct RawOutput {
  std::vector<RawPart> parts;
  Status status;  // an error fails every request of the batch
};

}  // namespace wde::schema
