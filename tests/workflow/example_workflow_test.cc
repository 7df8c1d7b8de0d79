#include "workflow/example_workflow.h"

#include <gtest/gtest.h>

#include "support/paths.h"
#include "tensor/device_registry.h"
#include "workflow/assembly.h"

namespace wde::workflow::example {
namespace {

// One request through the stations, as the engine's loop sends it.
Response answer(Assembly& parts, Signal& signal, const Request& request) {
  Result<Response> answered = Status(StatusCode::kInternal, "not answered");
  schema::SchedulableRequest schedulable;
  EXPECT_TRUE(parts.input_processor->check(request).ok());
  schedulable.task = request.task;
  schedulable.output = parts.input_processor->output_spec(request);
  schedulable.ticket = std::make_shared<schema::Ticket>(
      1, [&](Result<Response> result) { answered = std::move(result); });
  auto processed = parts.request_processor->process(request, std::move(schedulable));
  EXPECT_TRUE(processed.ok()) << processed.status().message();
  parts.scheduler->add(std::move(processed->front()));
  execution::Slot* slot = parts.executor->acquire();
  slot->batch = parts.scheduler->pick(Clock::now()).batch;
  slot->input = parts.model_input_builder->build(&slot->batch, slot->host_block());
  uint64_t seen = signal.epoch();
  parts.executor->start(slot);
  while ((slot = parts.executor->completed()) == nullptr) {
    signal.wait(seen);
    seen = signal.epoch();
  }
  parts.output_processor->answer(&slot->batch, slot->output());
  parts.executor->release(slot);
  EXPECT_TRUE(answered.ok()) << answered.status().message();
  return answered.ok() ? *answered : Response();
}

TEST(ExampleWorkflow, AnswersTheFirstAndTheLastState) {
  auto folder = checkpoint::read_model_folder(wde::test::fixture("models/mean_normalize"));
  ASSERT_TRUE(folder.ok()) << folder.status().message();
  const Manifest manifest = first_last();
  EXPECT_NE(manifest.refusal(*folder), "");
  folder->config["example_pooling"] = "first_last";
  EXPECT_EQ(manifest.refusal(*folder), "");

  Signal signal;
  auto parts = assemble(manifest, std::move(folder).value(), EngineOptions{},
                        create_device("cpu").value(), AssembleUntil::kExecutor, &signal);
  ASSERT_TRUE(parts.ok()) << parts.status().message();
  const Response embedded = answer(*parts, signal, {.task = Task::kEmbed, .input = "a text"});
  const Response states = answer(*parts, signal, {.task = Task::kHidden, .input = "a text"});
  const auto columns = static_cast<size_t>(states.columns);
  ASSERT_EQ(embedded.values.size(), 2 * columns);
  for (size_t c = 0; c < columns; ++c) {
    EXPECT_EQ(embedded.values[c], states.values[c]);
    EXPECT_EQ(embedded.values[columns + c], states.values[states.values.size() - columns + c]);
  }
}

}  // namespace
}  // namespace wde::workflow::example
