#include "tiling/compare_range.h"

#include <gtest/gtest.h>

#include <vector>

#include "support/checked.h"

namespace pyengine {
namespace {

template <class T>
ValueRange Of(const std::vector<T>& values, PixelType type, PixelType trained) {
  const ImageView view{.data = values.data(),
                       .type = type,
                       .height = 1,
                       .width = static_cast<int64_t>(values.size()),
                       .channels = 1,
                       .row_stride_bytes = 0,
                       .pixel_stride_bytes = sizeof(T),
                       .channel_stride_bytes = sizeof(T)};
  return CompareRange(Checked(view), type, {}, trained);
}

TEST(CompareRange, OtherScalesAreTold) {
  using V = std::vector<uint16_t>;
  const ValueRange twelve = Of(V{0, 4080}, PixelType::kUint16, PixelType::kUint8);
  EXPECT_TRUE(twelve.mismatch);
  EXPECT_DOUBLE_EQ(twelve.advised_scale, 255.0 / 4095);
  EXPECT_EQ(twelve.highest, 4080);
  EXPECT_EQ(twelve.expected_highest, 255);
  EXPECT_FALSE(Of(V{0, 255}, PixelType::kUint16, PixelType::kUint8).mismatch);
  EXPECT_FALSE(Of(V{0, 255}, PixelType::kUint16, PixelType::kUint16).mismatch);
  EXPECT_FALSE(Of(V{0, 0}, PixelType::kUint16, PixelType::kUint8).mismatch);
  const ValueRange fraction =
      Of(std::vector<float>{0, 0.9f}, PixelType::kFloat32, PixelType::kUint8);
  EXPECT_TRUE(fraction.mismatch);
  EXPECT_EQ(fraction.advised_scale, 255);
  const ValueRange below = Of(std::vector<float>{-9, 90}, PixelType::kFloat32, PixelType::kUint8);
  EXPECT_TRUE(below.mismatch);
  EXPECT_EQ(below.advised_scale, 1);
  const ValueRange eight = Of(std::vector<uint8_t>{9}, PixelType::kUint8, PixelType::kUint16);
  EXPECT_TRUE(eight.mismatch);
  EXPECT_EQ(eight.advised_scale, 257);
}

}  // namespace
}  // namespace pyengine
