#include "tiling/checked_image.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <functional>
#include <limits>
#include <string>
#include <vector>

#include "pyengine/error.h"

namespace pyengine {
namespace {

constexpr int64_t kMost = std::numeric_limits<int64_t>::max();
constexpr int64_t kLeast = std::numeric_limits<int64_t>::min();

const uint16_t kPixels[6 * 5 * 2] = {};

// 6 x 5 px of 2 channels.
ImageView View() {
  return {.data = kPixels,
          .type = PixelType::kUint16,
          .height = 6,
          .width = 5,
          .channels = 2,
          .row_stride_bytes = 20,
          .pixel_stride_bytes = 4,
          .channel_stride_bytes = 2};
}

// Why the image is refused; empty: it is not.
std::string Refusal(const ImageView& view, int64_t channels = 2) {
  ThreadPool pool(1);
  try {
    const CheckedImage host(view, channels, pool);
    return "";
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::kInvalidArgument) << e.what();
    EXPECT_THROW(CheckedImage::OnDevice(view, channels), Error) << e.what();
    return e.what();
  }
}

struct Fault {
  const char* name;
  std::function<void(ImageView&)> make;
  const char* said;
};

class CheckedImageFault : public testing::TestWithParam<Fault> {};

TEST_P(CheckedImageFault, IsRefused) {
  ImageView view = View();
  ASSERT_EQ(Refusal(view), "");
  GetParam().make(view);
  EXPECT_NE(Refusal(view).find(GetParam().said), std::string::npos) << Refusal(view);
}

INSTANTIATE_TEST_SUITE_P(
    Every, CheckedImageFault,
    testing::Values(
        Fault{"NoRows", [](ImageView& v) { v.height = 0; }, "0 x 5 px, needs at least 1 x 1"},
        Fault{"NoColumns", [](ImageView& v) { v.width = -3; }, "6 x -3 px"},
        Fault{"Height", [](ImageView& v) { v.height = int64_t(1) << 40; }, "1099511627776 x 5 px"},
        Fault{"Width", [](ImageView& v) { v.width = kMost; }, "sides may have 1073741824 px"},
        Fault{"Channels", [](ImageView& v) { v.channels = 3; }, "3 channels, the network needs 2"},
        Fault{"Type", [](ImageView& v) { v.type = static_cast<PixelType>(10); }, "pixel type 10"},
        Fault{"NegativeType", [](ImageView& v) { v.type = static_cast<PixelType>(-1); },
              "pixel type -1"},
        Fault{"Null", [](ImageView& v) { v.data = nullptr; }, "has no data"},
        Fault{"Misaligned", [](ImageView& v) { v.data = static_cast<const char*>(v.data) + 1; },
              "at a multiple of the value's 2 bytes"},
        Fault{"OddStride", [](ImageView& v) { v.pixel_stride_bytes = 3; },
              "stride 3 bytes must be a multiple"},
        Fault{"FloatOnShorts", [](ImageView& v) { v.type = PixelType::kFloat32; },
              "multiple of the value's 4 bytes"},
        Fault{"RowStride", [](ImageView& v) { v.row_stride_bytes = kMost - 1; }, "overflows"},
        Fault{"NegativeRowStride", [](ImageView& v) { v.row_stride_bytes = kLeast; }, "overflows"},
        Fault{"PixelStride", [](ImageView& v) { v.pixel_stride_bytes = kMost / 4 - 1; },
              "overflows"},
        Fault{"BelowZero", [](ImageView& v) { v.row_stride_bytes = -(int64_t(1) << 60); },
              "address space"},
        Fault{"NegativeFirstRow", [](ImageView& v) { v.first_row = -1; }, "rows from -1 on"},
        Fault{"RowsBeyondTheEnd", [](ImageView& v) { v.first_row = 4, v.rows = 3; },
              "rows from 4 on, 3 of them"},
        Fault{"NegativeRows", [](ImageView& v) { v.rows = kLeast; }, "not within the image"},
        Fault{"FirstRow", [](ImageView& v) { v.first_row = kMost, v.rows = 1; },
              "not within the image"}),
    [](const auto& fault) { return std::string(fault.param.name); });

TEST(CheckedImage, StridesOfAxesWithOneIndexMayBeAnything) {
  ImageView view = View();
  view.height = view.width = view.channels = 1;
  view.row_stride_bytes = kLeast, view.pixel_stride_bytes = kMost, view.channel_stride_bytes = 3;
  ASSERT_EQ(Refusal(view, 1), "");
  const CheckedImage image =
      CheckedImage::OnDevice(view, 1).Turned({.flip_y = true, .flip_x = true, .transpose = true});
  EXPECT_EQ(image.view().data, kPixels);
}

TEST(CheckedImage, RowsThatAreNotGivenAreAll) {
  const CheckedImage image = CheckedImage::OnDevice(View(), 2);
  EXPECT_EQ(image.view().rows, 6);
  EXPECT_TRUE(image.whole());
  ImageView some = View();
  some.rows = 5;
  EXPECT_FALSE(CheckedImage::OnDevice(some, 2).whole());
}

TEST(CheckedImage, CountsValuesThatAreNotFiniteAndNamesTheFirst) {
  constexpr int64_t kHeight = 70, kWidth = 33;
  for (int threads : {1, 3})
    for (float bad :
         {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity(),
          -std::numeric_limits<float>::infinity()}) {
      std::vector<float> values(kHeight * kWidth * 2, std::numeric_limits<float>::max());
      values[0] = std::numeric_limits<float>::denorm_min();
      const ImageView view{.data = values.data(),
                           .type = PixelType::kFloat32,
                           .height = 100,
                           .width = kWidth,
                           .channels = 2,
                           .row_stride_bytes = kWidth * 8,
                           .pixel_stride_bytes = 8,
                           .channel_stride_bytes = 4,
                           .first_row = 20,
                           .rows = kHeight};
      ThreadPool pool(threads);
      EXPECT_NO_THROW(CheckedImage(view, 2, pool));
      values[(41 * kWidth + 7) * 2 + 1] = values[(41 * kWidth + 9) * 2] = values.back() = bad;
      try {
        const CheckedImage image(view, 2, pool);
        FAIL();
      } catch (const Error& e) {
        EXPECT_STREQ(e.what(),
                     "the image holds 3 NaN or infinite values, the first at row 61, column 9, "
                     "channel 0; all values must be finite");
      }
      EXPECT_NO_THROW(CheckedImage::OnDevice(view, 2));
    }
}

TEST(CheckedImage, TurnedPixelsAreThoseOfTheImage) {
  std::vector<uint8_t> pixels(6 * 5);
  for (size_t i = 0; i < pixels.size(); ++i) pixels[i] = static_cast<uint8_t>(i);
  const ImageView view{.data = pixels.data(),
                       .height = 6,
                       .width = 5,
                       .row_stride_bytes = 5,
                       .pixel_stride_bytes = 1,
                       .channel_stride_bytes = 1};
  const CheckedImage image = CheckedImage::OnDevice(view, 1);
  for (int bits = 0; bits < 8; ++bits) {
    const Symmetry s{
        .flip_y = (bits & 1) != 0, .flip_x = (bits & 2) != 0, .transpose = (bits & 4) != 0};
    const ImageView turned = image.Turned(s).view();
    ASSERT_EQ(turned.height, s.transpose ? 5 : 6);
    ASSERT_EQ(turned.rows, turned.height);
    for (int64_t y = 0; y < 6; ++y)
      for (int64_t x = 0; x < 5; ++x) {
        const int64_t row = s.transpose ? x : y, column = s.transpose ? y : x;
        const auto* at = static_cast<const uint8_t*>(turned.data) + row * turned.row_stride_bytes +
                         column * turned.pixel_stride_bytes;
        EXPECT_EQ(*at, (s.flip_y ? 5 - y : y) * 5 + (s.flip_x ? 4 - x : x));
      }
  }
}

}  // namespace
}  // namespace pyengine
