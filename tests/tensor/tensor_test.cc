#include "tensor/tensor.h"

#include <gtest/gtest.h>

#include <limits>
#include <vector>

namespace wde {
namespace {

TEST(Shape, CountsElements) {
  EXPECT_EQ(Shape().elements(), 1);
  EXPECT_EQ(Shape({3, 384}).elements(), 1152);
  EXPECT_EQ(Shape({3, 0, 5}).elements(), 0);
  EXPECT_EQ(Shape({3, 384}).to_string(), "[3, 384]");
  EXPECT_EQ(Shape().to_string(), "[]");
}

TEST(Shape, SaturatesInsteadOfOverflowing) {
  const int64_t huge = int64_t{1} << 40;
  EXPECT_EQ(Shape({huge, huge}).elements(), std::numeric_limits<int64_t>::max());
  EXPECT_EQ(Shape({huge, huge, 0}).elements(), 0);
}

TEST(ShapeDeathTest, RefusesNegativeAndTooManyDimensions) {
  EXPECT_DEATH(Shape({-1}), "check failed");
  EXPECT_DEATH(Shape({1, 1, 1, 1, 1}), "check failed");
}

class TensorViewTest : public testing::Test {
 protected:
  TensorViewTest() : values(5 * 12) {
    for (size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(i);
  }
  std::vector<float> values;
  TensorView view = TensorView::contiguous(values.data(), DType::kF32, {5, 12});
};

TEST_F(TensorViewTest, ContiguousSpansItsElements) {
  EXPECT_TRUE(view.is_contiguous());
  EXPECT_EQ(view.row_stride, 12);
  EXPECT_EQ(view.span_bytes(), 5u * 12 * 4);
  EXPECT_EQ(TensorView::contiguous(nullptr, DType::kI64, {}).span_bytes(), 8u);
}

TEST_F(TensorViewTest, SlicesRows) {
  const TensorView rows = view.slice_rows(2, 3);
  EXPECT_EQ(rows.shape, Shape({3, 12}));
  EXPECT_EQ(rows.as<float>()[0], 24);
  EXPECT_EQ(rows.span_bytes(), 3u * 12 * 4);
  EXPECT_EQ(view.slice_rows(5, 0).span_bytes(), 0u);
}

TEST_F(TensorViewTest, SlicesColumnsOfRows) {
  const TensorView columns = view.slice_columns(4, 3);
  EXPECT_FALSE(columns.is_contiguous());
  EXPECT_EQ(columns.row_stride, 12);
  EXPECT_EQ(columns.as<float>()[columns.row_stride], 16);
  EXPECT_EQ(columns.span_bytes(), (4u * 12 + 3) * 4);
  const TensorView both = columns.slice_rows(3, 2);
  EXPECT_EQ(both.as<float>()[0], 40);
  EXPECT_EQ(both.span_bytes(), (12u + 3) * 4);
  EXPECT_TRUE(columns.slice_rows(1, 1).is_contiguous());
}

TEST_F(TensorViewTest, RefusesWhatIsNotThere) {
  EXPECT_DEATH(view.slice_rows(3, 3), "check failed");
  EXPECT_DEATH(view.slice_columns(12, 1), "check failed");
}

}  // namespace
}  // namespace wde
