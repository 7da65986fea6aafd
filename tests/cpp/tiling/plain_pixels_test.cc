#include "tiling/plain_pixels.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <limits>
#include <vector>

#include "pyengine/error.h"

namespace pyengine {
namespace {

std::vector<float> Values(const ImageView& image, const SourceScale& source) {
  ThreadPool pool(2);
  PlainPixels::Buffers buffers;
  const PlainPixels plain(image, image.channels, source, pool, buffers);
  const ImageView& view = plain.view();
  std::vector<float> values;
  for (int64_t y = 0; y < view.height; ++y)
    for (int64_t x = 0; x < view.width; ++x)
      for (int64_t c = 0; c < view.channels; ++c)
        values.push_back(*reinterpret_cast<const float*>(
            static_cast<const char*>(view.data) + y * view.row_stride_bytes +
            x * view.pixel_stride_bytes + c * view.channel_stride_bytes));
  return values;
}

// Two rows of three pixels of two channels, in every byte order.
template <class T>
void ExpectRead(PixelType type) {
  const T low = std::numeric_limits<T>::lowest(), high = std::numeric_limits<T>::max();
  std::vector<T> values = {0, 1, 2, 3, 100, 101, 7, 8, 9, 10, 11, 12};
  if constexpr (std::is_integral_v<T>) values[2] = low, values[3] = high;
  ImageView view{.data = values.data(),
                 .type = type,
                 .height = 2,
                 .width = 3,
                 .channels = 2,
                 .row_stride_bytes = 6 * sizeof(T),
                 .pixel_stride_bytes = 2 * sizeof(T),
                 .channel_stride_bytes = sizeof(T)};
  std::vector<float> scaled;
  scaled.reserve(values.size());
  for (T value : values) scaled.push_back(static_cast<float>(double(value) * 0.25 - 3));
  view.byte_order = ByteOrder::kLittle;  // that of the machines that run this
  EXPECT_EQ(Values(view, {.scale = 0.25, .offset = -3}), scaled);
  for (T& value : values) {
    auto* bytes = reinterpret_cast<unsigned char*>(&value);
    std::reverse(bytes, bytes + sizeof(T));
  }
  view.byte_order = ByteOrder::kBig;
  EXPECT_EQ(Values(view, {.scale = 0.25, .offset = -3}), scaled);
}

TEST(PlainPixels, ReadEveryTypeInEveryByteOrder) {
  ExpectRead<uint8_t>(PixelType::kUint8);
  ExpectRead<uint16_t>(PixelType::kUint16);
  ExpectRead<float>(PixelType::kFloat32);
  ExpectRead<int8_t>(PixelType::kInt8);
  ExpectRead<int16_t>(PixelType::kInt16);
  ExpectRead<uint32_t>(PixelType::kUint32);
  ExpectRead<int32_t>(PixelType::kInt32);
  ExpectRead<double>(PixelType::kFloat64);
}

TEST(PlainPixels, ReadTwelveBitsInBothOrders) {
  // 0x456, 0x123, 0xABC in the upper row, which lies behind the lower one: 0xABC, 0x123, 0x456.
  const unsigned char low[] = {0xBC, 0x3A, 0x12, 0x56, 0x04, 0x56, 0x34, 0x12, 0xBC, 0x0A};
  const unsigned char high[] = {0xAB, 0xC1, 0x23, 0x45, 0x60, 0x45, 0x61, 0x23, 0xAB, 0xC0};
  const std::vector<float> want = {0x456, 0x123, 0xABC, 0xABC, 0x123, 0x456};
  ImageView view{.data = low + 5,
                 .type = PixelType::kUint12LowFirst,
                 .height = 2,
                 .width = 3,
                 .row_stride_bytes = -5,
                 .pixel_stride_bytes = 77};
  EXPECT_EQ(Values(view, {}), want);
  view.data = high + 5;
  view.type = PixelType::kUint12HighFirst;
  EXPECT_EQ(Values(view, {}), want);
}

TEST(PlainPixels, BorrowWhatIsPlainAndRefuseWhatIsNone) {
  ThreadPool pool(1);
  PlainPixels::Buffers buffers;
  const std::vector<uint16_t> pixels(4, 9);
  ImageView view{.data = pixels.data(),
                 .type = PixelType::kUint16,
                 .height = 2,
                 .width = 2,
                 .row_stride_bytes = 4,
                 .pixel_stride_bytes = 2};
  EXPECT_EQ(PlainPixels(view, 1, {}, pool, buffers).view().data, pixels.data());
  view.type = PixelType::kFloat64;
  EXPECT_THROW(PlainPixels(view, 1, {}, pool, buffers), Error);
  view.type = static_cast<PixelType>(10);
  EXPECT_THROW(PlainPixels(view, 1, {}, pool, buffers), Error);
}

}  // namespace
}  // namespace pyengine
