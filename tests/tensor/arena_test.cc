#include "tensor/arena.h"

#include <gtest/gtest.h>

#include <cstdint>

namespace wde {
namespace {

struct Block {
  alignas(64) std::byte bytes[1024];
};

TEST(Arena, HandsOutAlignedDisjointMemory) {
  Block block;
  Arena arena(block.bytes, sizeof(block.bytes));
  const TensorView first = arena.allocate(DType::kF32, {3, 7});
  const TensorView second = arena.allocate(DType::kBF16, {5});
  EXPECT_EQ(first.data, block.bytes);
  EXPECT_EQ(first.shape, Shape({3, 7}));
  EXPECT_TRUE(first.is_contiguous());
  EXPECT_EQ(reinterpret_cast<uintptr_t>(second.data) % 64, 0u);
  EXPECT_GE(static_cast<std::byte*>(second.data) - block.bytes, 3 * 7 * 4);
  EXPECT_EQ(arena.used_bytes(), 192u);
}

TEST(Arena, MarkGivesBackAndHighWaterStays) {
  Block block;
  Arena arena(block.bytes, sizeof(block.bytes));
  arena.allocate(DType::kI8, {64});
  {
    const Arena::Mark mark(arena);
    arena.allocate(DType::kI8, {300});
    EXPECT_EQ(arena.used_bytes(), 64u + 320);
  }
  EXPECT_EQ(arena.used_bytes(), 64u);
  EXPECT_EQ(arena.high_water_bytes(), 64u + 320);
  EXPECT_EQ(arena.allocate(DType::kI8, {1}).data, block.bytes + 64);
}

TEST(Arena, UsesItsLastByte) {
  Block block;
  Arena arena(block.bytes, 100);
  arena.allocate(DType::kU8, {100});
  EXPECT_EQ(arena.used_bytes(), 100u);
  arena.allocate(DType::kU8, {0});
  EXPECT_DEATH(arena.allocate(DType::kU8, {1}), "check failed");
}

TEST(Arena, MeasuresWhatARealOneNeeds) {
  const auto forward = [](Arena& arena) {
    arena.allocate(DType::kF32, {11, 13});
    const Arena::Mark mark(arena);
    arena.allocate(DType::kF32, {5, 5});
    arena.allocate(DType::kI32, {1});
  };
  Arena measuring = Arena::measuring();
  forward(measuring);
  EXPECT_NE(measuring.allocate(DType::kF32, {1}).data, nullptr);
  Block block;
  ASSERT_LE(measuring.high_water_bytes(), sizeof(block.bytes));
  Arena exact(block.bytes, measuring.high_water_bytes());
  forward(exact);
  EXPECT_EQ(exact.high_water_bytes(), measuring.high_water_bytes());
  EXPECT_DEATH(
      {
        Arena short_of_one(block.bytes, measuring.high_water_bytes() - 64);
        forward(short_of_one);
      },
      "check failed");
}

TEST(Arena, MeasuringServesHugeWorkspaces) {
  Arena arena = Arena::measuring();
  arena.allocate(DType::kF32, {1 << 20, 1 << 20});
  EXPECT_EQ(arena.high_water_bytes(), size_t{1} << 42);
  EXPECT_DEATH(arena.allocate(DType::kF32, {int64_t{1} << 40, int64_t{1} << 40}), "check failed");
}

}  // namespace
}  // namespace wde
