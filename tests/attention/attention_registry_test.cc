// The table of backends: order, forced names, refusals with their reasons; naive on another device.
#include <cmath>

#include "ragged_case.h"
#include "tensor/emulated_device.h"

namespace wde::attention {
namespace {

using test::RaggedCase;
using testing::Test;

constexpr AttentionProblem kProblem = {.heads = 4, .kv_heads = 2, .head_size = 32, .scale = 0.25f};

const ops::OpTable& best_table() { return *ops::choose_op_table("cpu").value(); }
const ops::OpTable& reference_table() { return *ops::choose_op_table("cpu", "reference").value(); }

std::string name_of(const Result<std::unique_ptr<Attention>>& attention) {
  return attention.ok() ? std::string((*attention)->name()) : attention.status().message();
}

TEST(AttentionRegistry, FlashFirstNaiveLast) {
  EXPECT_EQ(attention_backends().front().name, "flash");
  EXPECT_EQ(attention_backends().back().name, "naive");
}

TEST(AttentionRegistry, ChoosesTheFirstThatDoesNotRefuse) {
  const auto device = create_cpu_device();
  EXPECT_EQ(name_of(create_attention(kProblem, *device, best_table())), "flash");
  EXPECT_EQ(name_of(create_attention(kProblem, *device, reference_table())), "naive");
  AttentionProblem wide = kProblem;
  wide.head_size = 320;
  EXPECT_EQ(name_of(create_attention(wide, *device, best_table())), "naive");
}

TEST(AttentionRegistry, AForcedNameIsTakenOrRefusedWithItsReason) {
  const auto device = create_cpu_device();
  EXPECT_EQ(name_of(create_attention(kProblem, *device, best_table(), "naive")), "naive");
  const auto refused = create_attention(kProblem, *device, reference_table(), "flash");
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.status().code(), StatusCode::kUnsupported);
  EXPECT_NE(refused.status().message().find("\"reference\""), std::string::npos);
}

TEST(AttentionRegistry, AnUnknownNameListsTheKnown) {
  const auto device = create_cpu_device();
  const auto unknown = create_attention(kProblem, *device, best_table(), "flsh");
  ASSERT_FALSE(unknown.ok());
  EXPECT_EQ(unknown.status().code(), StatusCode::kInvalidArgument);
  for (const char* part : {"\"flsh\"", "flash", "naive"}) {
    EXPECT_NE(unknown.status().message().find(part), std::string::npos) << part;
  }
}

TEST(AttentionRegistry, ImpossibleProblemsAreRefusedByAll) {
  const auto device = create_cpu_device();
  const auto message = [&](AttentionProblem problem) {
    const auto refused = create_attention(problem, *device, best_table());
    EXPECT_FALSE(refused.ok());
    if (refused.ok()) return std::string();
    EXPECT_EQ(refused.status().code(), StatusCode::kUnsupported);
    EXPECT_NE(refused.status().message().find("naive: "), std::string::npos);
    return refused.status().message();
  };
  AttentionProblem problem = kProblem;
  problem.dtype = DType::kI8;
  EXPECT_NE(message(problem).find("dtype i8"), std::string::npos);
  problem = kProblem;
  problem.kv_heads = 3;
  EXPECT_NE(message(problem).find("4 heads over 3"), std::string::npos);
  problem.kv_heads = 0;
  message(problem);
  problem = kProblem;
  problem.head_size = 0;
  EXPECT_NE(message(problem).find("head size 0"), std::string::npos);
  problem = kProblem;
  for (const float scale : {0.0f, -1.0f, std::nanf("")}) {
    problem.scale = scale;
    EXPECT_NE(message(problem).find("must be positive"), std::string::npos);
  }
}

TEST(AttentionRegistry, ADryRunOnlyTakesWorkspace) {
  const auto device = create_cpu_device();
  const auto stream = device->create_stream();
  for (const char* name : {"flash", "naive"}) {
    const auto attention = create_attention(kProblem, *device, best_table(), name).value();
    Arena arena = Arena::measuring();
    ThreadPool pool(2);
    ops::OpContext context{
        .stream = *stream, .ops = best_table(), .arena = arena, .pool = &pool, .measuring = true};
    AttentionArgs args;
    args.q = TensorView::contiguous(nullptr, DType::kF32, {100, 128});
    args.k = args.v = TensorView::contiguous(nullptr, DType::kF32, {100, 64});
    args.out = args.q;
    args.cu_seqlens = TensorView::contiguous(nullptr, DType::kI32, {5});
    args.max_seqlen = 100;
    attend(context, *attention, args);
    EXPECT_EQ(arena.used_bytes(), 0u);
    EXPECT_EQ(arena.high_water_bytes(),
              (attention->workspace_bytes(100, 4, 100, 2) + 63) / 64 * 64);
  }
}

class OnEmulatedDevice : public testing::TestWithParam<DType> {};

// Copies the case to the device, attends there, copies back: the CPU's bits, and no promise broken.
TEST_P(OnEmulatedDevice, NaiveGivesTheSameBits) {
  AttentionProblem problem = kProblem;
  problem.dtype = GetParam();
  const RaggedCase c(problem, {5, 0, 1, 20}, 11);
  const auto device = create_emulated_device({.seed = 3}).value();
  const ops::OpTable& ops = *ops::choose_op_table("emulated").value();
  const auto attention = create_attention(problem, *device, ops).value();
  EXPECT_EQ(attention->name(), "naive");

  std::vector<uint8_t> input = c.packed_input();
  std::vector<uint8_t> output = c.canaries();
  const size_t boundaries_bytes = c.cu_seqlens().size() * sizeof(int32_t);
  const auto on_host = [&](size_t bytes) { return device->allocate_host(bytes).value(); };
  const auto on_device = [&](size_t bytes) { return device->allocate(bytes).value(); };
  const Storage host_input = on_host(input.size()), device_input = on_device(input.size());
  const Storage host_output = on_host(output.size()), device_output = on_device(output.size());
  const Storage host_cu = on_host(boundaries_bytes), device_cu = on_device(boundaries_bytes);
  const Storage workspace = on_device(4096);
  std::memcpy(host_input.data(), input.data(), input.size());
  std::memcpy(host_output.data(), output.data(), output.size());
  std::memcpy(host_cu.data(), c.cu_seqlens().data(), boundaries_bytes);

  const auto stream = device->create_stream();
  stream->copy_to_device(device_input.data(), host_input.data(), input.size());
  stream->copy_to_device(device_output.data(), host_output.data(), output.size());
  stream->copy_to_device(device_cu.data(), host_cu.data(), boundaries_bytes);
  AttentionArgs args = c.arguments(static_cast<uint8_t*>(device_input.data()),
                                   static_cast<uint8_t*>(device_output.data()));
  args.cu_seqlens.data = device_cu.data();
  Arena arena(workspace.data(), workspace.size_bytes());
  ops::OpContext context{.stream = *stream, .ops = ops, .arena = arena};
  attend(context, *attention, args);
  stream->copy_to_host(host_output.data(), device_output.data(), output.size());
  const Status status = stream->synchronize();
  EXPECT_TRUE(status.ok()) << status.message();
  EXPECT_TRUE(device->violations().empty());

  std::memcpy(output.data(), host_output.data(), output.size());
  EXPECT_EQ(c.unpack(output), c.run("naive", reference_table()));
}

INSTANTIATE_TEST_SUITE_P(DTypes, OnEmulatedDevice, testing::Values(DType::kF32, DType::kBF16),
                         [](const auto& instance) {
                           return std::string(dtype_name(instance.param));
                         });

TEST(AttentionRegistry, FlashIsRefusedOnTheEmulatedDevice) {
  const auto device = create_emulated_device().value();
  const auto refused =
      create_attention(kProblem, *device, *ops::choose_op_table("emulated").value(), "flash");
  ASSERT_FALSE(refused.ok());
  EXPECT_NE(refused.status().message().find("emulated"), std::string::npos);
}

}  // namespace
}  // namespace wde::attention
