// The forward pass of one batch: its shards through the model and the heads of its task. Device
// thread only; allocates no device memory: every lane has an arena that was sized at load.
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "base/thread_pool.h"
#include "execution/loaded_model.h"
#include "schema/schema.h"
#include "tensor/arena.h"
#include "tensor/device.h"

namespace wde::execution {

// The largest forward pass of a kind.
struct ShardLimits {
  int64_t tokens = 0;
  int64_t sequences = 0;
  int64_t max_length = 0;  // longest sequence
  int64_t chunk_rows = 0;  // computed at a time; 0: all at once
};

// What a worker's arenas must hold: a shard on each lane and, below the first lane's, a long text
// between whose chunks other batches pass.
struct PassLimits {
  ShardLimits shard;
  ShardLimits long_text;  // tokens 0: no text is long
};

struct ArenaSizes {
  size_t lane_bytes = 0;
  size_t long_text_bytes = 0;  // of the first lane's arena, beside lane_bytes

  size_t bytes(int lanes) const {
    return lane_bytes * static_cast<size_t>(lanes) + long_text_bytes;
  }
};

// Whole pages each, measured.
ArenaSizes measure_arenas(const LoadedModel& model, const ops::OpTable& ops, Device& device,
                          const PassLimits& limits, int threads);

// Workspace of one such pass, measured by a dry run of the model and every head. `threads` may
// split its ops.
size_t measure_workspace_bytes(const LoadedModel& model, const ops::OpTable& ops, Device& device,
                               const ShardLimits& limits, int threads);

int64_t max_output_floats(const LoadedModel& model, int64_t max_batch_tokens,
                          int64_t max_batch_requests);

// Where the rows of one head lie in a batch's output.
struct OutputPart {
  int64_t begin = 0;  // floats from the output's beginning
  int64_t rows = 0;
  int64_t columns = 0;
  bool per_token = false;

  int64_t floats() const { return rows * columns; }
};

class Runner {
 public:
  struct Options {
    std::shared_ptr<const LoadedModel> model;
    const ops::OpTable* ops = nullptr;
    std::shared_ptr<Device> device;
    int threads = 1;      // CPU threads of this worker, the device thread included
    int first_core = -1;  // pin those that the pool starts from this core on, or -1
    PassLimits limits;
    std::shared_ptr<ops::Profile> profile;  // null: none
  };
  // Allocates the arenas, one a lane. Errors: kResourceExhausted with the numbers.
  static Result<std::unique_ptr<Runner>> create(Options options);

  // Replaces `parts` by one for each head of the input's task, one behind the other.
  void lay_out(const schema::ModelInput& input, std::vector<OutputPart>* parts) const;

  // Enqueues on `compute` the pass over `input`, whose block lies at `device_block` on the device,
  // into `device_output`, which is laid out as `parts` say (f32 rows in the batch's order). Between
  // the chunks of a long text calls `between_chunks` (null: nothing), which may run a batch that is
  // none.
  void forward(Stream& compute, const schema::ModelInput& input, int32_t* device_block,
               std::span<const OutputPart> parts, float* device_output,
               const std::function<void()>* between_chunks = nullptr);

  // Floats of the largest answer to a batch within these budgets, whatever its task.
  int64_t max_output_floats(int64_t max_batch_tokens, int64_t max_batch_requests) const {
    return execution::max_output_floats(*options_.model, max_batch_tokens, max_batch_requests);
  }

 private:
  explicit Runner(Options options);
  void forward_shard(ops::OpContext& context, const schema::ModelInput& input,
                     const schema::Shard& shard, int32_t* device_block,
                     std::span<const OutputPart> parts, float* device_output) const;

  Options options_;
  ThreadPool pool_;
  Storage workspace_;
  std::vector<Arena> arenas_;  // one a lane
};

}  // namespace wde::execution
