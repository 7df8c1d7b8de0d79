// The table of backends: order, forced names, refusals with their reasons; naive on another device.
#include <cmath>
#include <deque>
#include <tuple>

#include "ops/profile.h"
#include "problem_kinds.h"
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

TEST(AttentionRegistry, BadTablesAreRefusedByAll) {
  const auto device = create_cpu_device();
  const auto message = [&](const AttentionProblem& problem) {
    const auto refused = create_attention(problem, *device, best_table());
    EXPECT_FALSE(refused.ok());
    return refused.ok() ? std::string() : refused.status().message();
  };
  AttentionProblem problem = kProblem;
  problem.window_left = -2;
  EXPECT_NE(message(problem).find("a window of -2"), std::string::npos);
  problem = kProblem;
  problem.softcap = -1;
  EXPECT_NE(message(problem).find("softcap -1"), std::string::npos);
  problem = kProblem;
  const auto view = [](DType dtype, const Shape& shape) {
    return TensorView::contiguous(nullptr, dtype, shape);
  };
  for (const Shape& shape : {Shape{4, 10}, Shape{3, 11}, Shape{44}}) {
    problem.distance_bias = view(DType::kF32, shape);
    EXPECT_NE(message(problem).find("distance bias f32 " + shape.to_string()), std::string::npos);
  }
  problem = kProblem;
  problem.disentangled.position_keys = view(DType::kF32, {7, 128});
  EXPECT_NE(message(problem).find("position rows"), std::string::npos);
  problem.disentangled.position_rows = view(DType::kI32, {13});
  problem.disentangled.position_queries = view(DType::kF32, {6, 128});
  EXPECT_NE(message(problem).find("the same P for both"), std::string::npos);
  problem.disentangled.position_queries = view(DType::kBF16, {7, 128});
  EXPECT_NE(message(problem).find("bf16 [7, 128]"), std::string::npos);
}

// Counted by looking at every pair.
TEST(AttentionRegistry, VisibleKeysAreThoseOfTheContract) {
  for (const int64_t left : {-1, 0, 3, 50}) {
    for (const int64_t right : {-1, 0, 2, 50}) {
      for (const MaskKind mask : {MaskKind::kBidirectional, MaskKind::kCausal}) {
        AttentionProblem problem = kProblem;
        problem.mask = mask;
        problem.window_left = left;
        problem.window_right = right;
        const RaggedCase c(problem, {9});
        for (int64_t i = 0; i < 9; ++i) {
          const TokenRange range = visible_keys(problem, i, 9);
          for (int64_t j = 0; j < 9; ++j) {
            EXPECT_EQ(j >= range.begin && j < range.end, c.sees(0, i, j)) << i << " " << j;
          }
        }
      }
    }
  }
}

// Four flops per head column for every pair that a look at each finds visible.
TEST(AttentionRegistry, TheProfileCountsVisiblePairs) {
  const auto device = create_cpu_device();
  const auto stream = device->create_stream();
  test::ProblemTables tables;
  for (const test::ProblemKind& kind : test::problem_kinds()) {
    AttentionProblem problem = kProblem;
    kind.apply(problem, tables);
    const RaggedCase c(problem, {0, 1, 7, 140, 20});
    double pairs = 0;
    for (size_t b = 0; b + 1 < c.cu_seqlens().size(); ++b) {
      for (int64_t i = c.cu_seqlens()[b]; i < c.cu_seqlens()[b + 1]; ++i) {
        for (int64_t j = c.cu_seqlens()[b]; j < c.cu_seqlens()[b + 1]; ++j)
          pairs += c.sees(b, i, j);
      }
    }
    ops::Profile profile;
    c.run("", best_table(), nullptr, &profile);
    EXPECT_EQ(profile.take().front().work.flops, 4 * pairs * 4 * 32) << kind.name;
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

// A device's copy of views on the host, which stay alive until the stream is synchronized.
class Uploads {
 public:
  Uploads(Device& device, Stream& stream) : device_(device), stream_(stream) {}

  void* upload(const void* data, size_t bytes) {
    const Storage& host = storages_.emplace_back(device_.allocate_host(bytes).value());
    const Storage& copy = storages_.emplace_back(device_.allocate(bytes).value());
    std::memcpy(host.data(), data, bytes);
    stream_.copy_to_device(copy.data(), host.data(), bytes);
    return copy.data();
  }

  void upload_tables(AttentionProblem& problem) {
    Disentangled& terms = problem.disentangled;
    for (TensorView* view : {&problem.distance_bias, &terms.position_keys, &terms.position_queries,
                             &terms.position_rows}) {
      if (view->data != nullptr) view->data = upload(view->data, view->span_bytes());
    }
  }

 private:
  Device& device_;
  Stream& stream_;
  std::deque<Storage> storages_;
};

class OnEmulatedDevice : public testing::TestWithParam<std::tuple<size_t, DType>> {};

// Copies the case to the device, attends there, copies back: the CPU's bits, and no promise broken.
TEST_P(OnEmulatedDevice, NaiveGivesTheSameBits) {
  AttentionProblem problem = kProblem;
  problem.dtype = std::get<DType>(GetParam());
  test::ProblemTables tables;
  test::problem_kinds()[std::get<size_t>(GetParam())].apply(problem, tables);
  const RaggedCase c(problem, {5, 0, 1, 20}, 11);
  const auto device = create_emulated_device({.seed = 3}).value();
  const ops::OpTable& ops = *ops::choose_op_table("emulated").value();
  const auto stream = device->create_stream();
  Uploads uploads(*device, *stream);
  AttentionProblem on_device = problem;
  uploads.upload_tables(on_device);
  const auto attention = create_attention(on_device, *device, ops).value();
  EXPECT_EQ(attention->name(), "naive");

  const std::vector<uint8_t> input = c.packed_input();
  std::vector<uint8_t> output = c.canaries();
  const Storage host_output = device->allocate_host(output.size()).value();
  const Storage workspace = device->allocate(4096).value();
  void* device_output = uploads.upload(output.data(), output.size());
  AttentionArgs args =
      c.arguments(static_cast<uint8_t*>(uploads.upload(input.data(), input.size())),
                  static_cast<uint8_t*>(device_output));
  args.cu_seqlens.data =
      uploads.upload(c.cu_seqlens().data(), c.cu_seqlens().size() * sizeof(int32_t));
  Arena arena(workspace.data(), workspace.size_bytes());
  ops::OpContext context{.stream = *stream, .ops = ops, .arena = arena};
  attend(context, *attention, args);
  stream->copy_to_host(host_output.data(), device_output, output.size());
  const Status status = stream->synchronize();
  EXPECT_TRUE(status.ok()) << status.message();
  EXPECT_TRUE(device->violations().empty());

  std::memcpy(output.data(), host_output.data(), output.size());
  EXPECT_EQ(c.unpack(output), c.run("naive", reference_table()));
}

std::string case_name(const testing::TestParamInfo<OnEmulatedDevice::ParamType>& instance) {
  const auto [kind, dtype] = instance.param;
  return std::string(test::problem_kinds()[kind].name) + "_" + std::string(dtype_name(dtype));
}

INSTANTIATE_TEST_SUITE_P(Kinds, OnEmulatedDevice,
                         testing::Combine(testing::Range(size_t{0}, test::problem_kinds().size()),
                                          testing::Values(DType::kF32, DType::kBF16)),
                         case_name);

TEST(AttentionRegistry, FlashIsRefusedOnTheEmulatedDevice) {
  const auto device = create_emulated_device().value();
  const auto refused =
      create_attention(kProblem, *device, *ops::choose_op_table("emulated").value(), "flash");
  ASSERT_FALSE(refused.ok());
  EXPECT_NE(refused.status().message().find("emulated"), std::string::npos);
}

}  // namespace
}  // namespace wde::attention
