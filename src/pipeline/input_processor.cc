#include "pipeline/input_processor.h"

#include <fmt/ranges.h>

#include <algorithm>

#include "base/status.h"

namespace wde::pipeline {

Result<int> AdapterPolicy::find(const std::string& name) const {
  if (name.empty()) return -1;
  const auto found = std::find(names.begin(), names.end(), name);
  if (found != names.end()) return static_cast<int>(found - names.begin());
  return invalid_argument_error("unknown adapter \"{}\"; this model has: {}", name,
                                names.empty() ? "none" : fmt::format("{}", fmt::join(names, ", ")));
}

InputProcessor::InputProcessor(OutputPolicy output, PromptPolicy prompts, AdapterPolicy adapters)
    : output_(std::move(output)), prompts_(std::move(prompts)), adapters_(std::move(adapters)) {}

int InputProcessor::adapter(const Request& request) const {
  return request.adapter ? adapters_.find(*request.adapter).value() : adapters_.fallback;
}

Status InputProcessor::check(const Request& request) const {
  if (std::find(output_.tasks.begin(), output_.tasks.end(), request.task) == output_.tasks.end()) {
    std::vector<std::string_view> served;
    for (const Task task : output_.tasks) served.push_back(task_name(task));
    return unsupported_error("this model does not serve the task \"{}\"; it serves: {}",
                             task_name(request.task), fmt::join(served, ", "));
  }
  if (const auto* ids = std::get_if<std::vector<int32_t>>(&request.input);
      ids != nullptr && ids->empty()) {
    return empty_input_error("the list of token ids is empty");
  }
  if (request.adapter) WDE_RETURN_IF_ERROR(adapters_.find(*request.adapter).status());
  if (request.prompt_name && std::holds_alternative<std::vector<int32_t>>(request.input)) {
    return invalid_argument_error("\"prompt_name\" goes with texts, not with token ids");
  }
  if (request.dimensions && request.task != Task::kEmbed) {
    return invalid_argument_error("\"dimensions\" goes with the task \"embed\" only");
  }
  if (request.dimensions &&
      (*request.dimensions < 1 || *request.dimensions > output_.embedding_size)) {
    return invalid_argument_error("\"dimensions\" must be between 1 and {}, not {}",
                                  output_.embedding_size, *request.dimensions);
  }
  if (request.prompt_name && !prompts_.prompts.contains(*request.prompt_name)) {
    std::vector<std::string_view> known;
    for (const auto& [name, text] : prompts_.prompts) known.push_back(name);
    return invalid_argument_error(
        "unknown prompt name \"{}\"; this model has: {}", *request.prompt_name,
        known.empty() ? "none" : fmt::format("{}", fmt::join(known, ", ")));
  }
  return {};
}

schema::OutputSpec InputProcessor::output_spec(const Request& request) const {
  return {.normalize = request.normalize.value_or(output_.normalize),
          .dimensions = request.dimensions.value_or(0)};
}

}  // namespace wde::pipeline
