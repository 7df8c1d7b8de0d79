#include "workflow/encode_only.h"

#include <fmt/ranges.h>

#include "base/status.h"
#include "workflow/factories.h"
#include "workflow/settle.h"

namespace wde::workflow {
namespace {

std::string refusal(const checkpoint::ModelFolder& folder) {
  for (const std::string& architecture : folder.architectures) {
    if (models::find_model(architecture) != nullptr) return {};
  }
  std::vector<std::string_view> known;
  for (const models::ModelEntry& entry : models::model_entries())
    known.push_back(entry.architecture);
  if (folder.architectures.empty()) {
    return fmt::format("config.json names no \"architectures\"; supported: {}",
                       fmt::join(known, ", "));
  }
  return fmt::format("architecture {} is not supported; supported: {}",
                     fmt::join(folder.architectures, ", "), fmt::join(known, ", "));
}

}  // namespace

Manifest encode_only() {
  return {.name = "encode_only",
          .description = "bidirectional encoders: embeddings and last hidden states",
          .refusal = &refusal,
          .settle = &settle,
          .tokenizer = &make_tokenizer,
          .model = &make_model,
          .memory_plan = &plan_memory,
          .input_processor = &make_input_processor,
          .request_processor = &make_request_processor,
          .scheduler = &make_scheduler,
          .model_input_builder = &make_model_input_builder,
          .executor = &make_executor,
          .output_processor = &make_output_processor};
}

}  // namespace wde::workflow
