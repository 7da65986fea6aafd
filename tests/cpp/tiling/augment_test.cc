#include "tiling/augment.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "support/checked.h"

namespace pyengine {
namespace {

// Turned views may be cut into another number of tiles.
TEST(SegmentAugmented, ProgressNeverStepsBackAndItsTotalStays) {
  const int64_t h = 6, w = 9;
  const std::vector<uint8_t> pixels(h * w, 7);
  const CheckedImage image = Checked({.data = pixels.data(),
                                      .type = PixelType::kUint8,
                                      .height = h,
                                      .width = w,
                                      .channels = 1,
                                      .row_stride_bytes = w,
                                      .pixel_stride_bytes = 1,
                                      .channel_stride_bytes = 1,
                                      .first_row = 0,
                                      .rows = 0});
  for (const auto& [upright, turned] : {std::pair<int64_t, int64_t>{3, 5}, {5, 3}, {1, 1}}) {
    std::vector<uint8_t> labels(h * w);
    std::vector<std::pair<int64_t, int64_t>> calls;
    SegmentOptions options;
    options.augmentation = Augmentation::kD4;
    options.progress = [&](int64_t done, int64_t total) {
      calls.emplace_back(done, total);
      return true;
    };
    ThreadPool pool(1);
    SegmentAugmented(image,
                     {.kind = OutputKind::kLabels,
                      .data = labels.data(),
                      .row_stride = w,
                      .plane_stride = 0,
                      .first_row = 0},
                     options, 1, Head::kSigmoid, {}, pool,
                     [&, tiles = std::pair(upright, turned)](
                         const CheckedImage& view, const OutputView& out, const SegmentOptions& o) {
                       std::fill_n(static_cast<float*>(out.data), h * w, 1.0f);
                       const int64_t total = view.view().height == h ? tiles.first : tiles.second;
                       for (int64_t i = 1; i <= total; ++i) o.progress(i, total);
                     });
    EXPECT_EQ(calls.size(), static_cast<size_t>(4 * upright + 4 * turned));
    EXPECT_TRUE(std::is_sorted(calls.begin(), calls.end()));
    for (const auto& call : calls) EXPECT_EQ(call.second, 8 * upright);
    EXPECT_EQ(calls.back().first, 8 * upright);
    EXPECT_EQ(labels, std::vector<uint8_t>(h * w, 1));
  }
}

}  // namespace
}  // namespace pyengine
