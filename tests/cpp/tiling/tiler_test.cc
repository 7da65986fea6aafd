#include "tiling/tiler.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>

#include "pyengine/error.h"
#include "support/identity_executor.h"
#include "tiling/mirror_pad.h"

namespace pyengine {
namespace {

struct Image {
  Image(int64_t h, int64_t w, int64_t c = 1) : values(static_cast<size_t>(h * w * c)) {
    std::mt19937 random(static_cast<uint32_t>(h * 1000 + w));
    for (float& v : values) v = static_cast<float>(random() % 1000) / 7;
    view = {values.data(), PixelType::kFloat32, h, w, c, w * c * 4, c * 4, 4, 0, 0};
  }
  std::vector<float> values;
  ImageView view;
};

std::vector<float> Segment(const Tiler& tiler, const ImageView& image, const SegmentOptions& o,
                           int64_t classes = 1) {
  std::vector<float> out(static_cast<size_t>(image.height * image.width * classes), -1);
  tiler.Segment(image, 0, image.height,
                {OutputKind::kLogits, out.data(), image.width, image.height * image.width, 0}, o);
  return out;
}

Tiler IdentityTiler(int64_t halo, int64_t alignment = 1, int64_t margin = 0, int64_t channels = 1,
                    int threads = 2) {
  return Tiler(std::make_shared<IdentityExecutor>(halo, alignment, margin, channels),
               {std::vector<float>(static_cast<size_t>(channels), 1.0f),
                std::vector<float>(static_cast<size_t>(channels), 0.0f)},
               Head::kNone, "", std::make_shared<ThreadPool>(threads));
}

TEST(Tiler, IdentityReturnsTheInputBitForBit) {
  for (int64_t h : {1, 2, 7, 16, 33, 70})
    for (int64_t w : {1, 5, 32, 61}) {
      const Image image(h, w);
      for (int64_t tile : {0, 1, 5, 16, 100})
        for (int64_t alignment : {1, 4, 16})
          for (int64_t margin : {0, 12})
            for (int batch : {1, 3}) {
              const Tiler tiler = IdentityTiler(margin + 2 * alignment, alignment, margin);
              SegmentOptions o;
              o.tile_height_px = o.tile_width_px = tile;
              o.batch_size = batch;
              ASSERT_EQ(Segment(tiler, image.view, o), image.values)
                  << h << "x" << w << " tile " << tile << " alignment " << alignment;
            }
    }
}

TEST(Tiler, BlendingIdentityReturnsTheInput) {
  const Image image(70, 45);
  for (TileMode mode : {TileMode::kConstant, TileMode::kGaussian})
    for (double overlap : {0.0, 0.25, 0.5, 13.0}) {
      SegmentOptions o;
      o.mode = mode;
      o.overlap = overlap;
      o.tile_height_px = 24, o.tile_width_px = 17;
      const auto out = Segment(IdentityTiler(3), image.view, o);
      // A weighted mean of equal numbers: each of at most 16 terms rounds twice.
      for (size_t i = 0; i < out.size(); ++i)
        ASSERT_NEAR(out[i], image.values[i], 32 * 6e-8f * image.values[i] + 1e-12f);
    }
}

TEST(Tiler, ChannelsKeepTheirOrderAndNormalisation) {
  const Image image(20, 11, 3);
  const Tiler tiler(std::make_shared<IdentityExecutor>(2, 1, 0, 3), {{1, 2, 4}, {0, 8, 0.5}},
                    Head::kNone, "", std::make_shared<ThreadPool>(1));
  SegmentOptions o;
  o.tile_height_px = o.tile_width_px = 6;
  const auto out = Segment(tiler, image.view, o, 3);
  const float gain[] = {1, 2, 4}, offset[] = {0, 8, 0.5};
  for (size_t i = 0; i < 220; ++i)
    for (size_t c = 0; c < 3; ++c)
      ASSERT_EQ(out[c * 220 + i], image.values[i * 3 + c] * gain[c] + offset[c]);
}

TEST(Tiler, BandsOfAPartialViewEqualTheWhole) {
  const Image image(100, 30);
  const Tiler tiler = IdentityTiler(9, 4);
  SegmentOptions o;
  o.tile_height_px = 16, o.tile_width_px = 16;
  for (int64_t begin = 0; begin < 100; begin += 16) {
    const int64_t end = std::min<int64_t>(100, begin + 16);
    ImageView part = image.view;
    const Range need = tiler.BandRows(100, 30, begin, end, o);
    EXPECT_LE(need.size(), 16 + 2 * 12);  // a band and its context, not the image
    part.first_row = need.begin;
    part.rows = need.size();
    part.data = image.values.data() + part.first_row * 30;
    std::vector<float> out(static_cast<size_t>((end - begin) * 30));
    tiler.Segment(part, begin, end, {OutputKind::kLogits, out.data(), 30, 0, begin}, o);
    for (size_t i = 0; i < out.size(); ++i)
      ASSERT_EQ(out[i], image.values[static_cast<size_t>(begin * 30) + i]);
    part.rows -= 1;
    EXPECT_THROW(
        tiler.Segment(part, begin, end, {OutputKind::kLogits, out.data(), 30, 0, begin}, o), Error);
  }
}

TEST(Tiler, BandsOutsideTheImageAreRefused) {
  const Tiler tiler = IdentityTiler(9, 4);
  SegmentOptions o;
  o.tile_height_px = o.tile_width_px = 16;
  const std::pair<int64_t, int64_t> bands[] = {{0, 101}, {96, 5000}, {-16, 16}, {32, 32}, {48, 32}};
  for (const auto& [begin, end] : bands)
    EXPECT_THROW(tiler.BandRows(100, 30, begin, end, o), Error) << begin << " " << end;
}

TEST(Tiler, RefusesBadImagesAndOptions) {
  const Tiler tiler = IdentityTiler(2);
  Image image(8, 9);
  const auto refused = [&](const ImageView& view, const SegmentOptions& o) {
    std::vector<float> out(1000);
    EXPECT_THROW(
        tiler.Segment(view, 0, view.height, {OutputKind::kLogits, out.data(), view.width, 0, 0}, o),
        Error);
  };
  ImageView view = image.view;
  view.height = 0;
  refused(view, {});
  view = image.view;
  view.channels = 2;
  refused(view, {});
  view = image.view;
  view.data = nullptr;
  refused(view, {});
  SegmentOptions o;
  o.tile_height_px = -1;
  refused(image.view, o);
  o = {};
  o.max_memory_bytes = 10;
  refused(image.view, o);
  o = {};
  o.mode = TileMode::kGaussian;
  o.overlap = 1000;
  refused(image.view, o);
  image.values[40] = std::numeric_limits<float>::quiet_NaN();
  refused(image.view, {});
}

TEST(MirrorPad, FoldsAsOftenAsNeeded) {
  const int64_t want[] = {2, 1, 0, 1, 2, 1, 0, 1, 2, 1, 0, 1};  // size 3 from -6
  for (int64_t i = 0; i < 12; ++i)
    EXPECT_EQ(BorderIndex(i - 6, 3, PaddingMode::kReflect), want[i]) << i;
  EXPECT_EQ(BorderIndex(-7, 1, PaddingMode::kReflect), 0);
  EXPECT_EQ(BorderIndex(-7, 4, PaddingMode::kReplicate), 0);
  EXPECT_EQ(BorderIndex(9, 4, PaddingMode::kReplicate), 3);
  EXPECT_EQ(BorderIndex(-1, 4, PaddingMode::kConstant), -1);
}

}  // namespace
}  // namespace pyengine
