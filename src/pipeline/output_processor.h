// The last station: rows from the device to the client's answer. Engine thread; immutable.
#pragma once

#include "schema/schema.h"

namespace wde::pipeline {

class OutputProcessor {
 public:
  // Answers every request of the batch, in order, from the raw output (or with its error). kEmbed:
  // cuts to the dimensions asked for, then L2-normalizes in f32 where asked for. kHidden: its
  // tokens' rows.
  void answer(schema::Batch* batch, const schema::RawOutput& output) const;
};

}  // namespace wde::pipeline
