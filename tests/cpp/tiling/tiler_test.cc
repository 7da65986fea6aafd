#include "tiling/tiler.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>
#include <set>
#include <stdexcept>
#include <utility>

#include "pyengine/error.h"
#include "support/checked.h"
#include "support/identity_executor.h"
#include "tiling/gather.h"

namespace pyengine {
namespace {

struct Image {
  Image(int64_t h, int64_t w, int64_t c = 1) : values(static_cast<size_t>(h * w * c)) {
    std::mt19937 random(static_cast<uint32_t>(h * 1000 + w));
    for (float& v : values) v = static_cast<float>(random() % 1000) / 7;
    view = {.data = values.data(),
            .type = PixelType::kFloat32,
            .height = h,
            .width = w,
            .channels = c,
            .row_stride_bytes = w * c * 4,
            .pixel_stride_bytes = c * 4,
            .channel_stride_bytes = 4,
            .first_row = 0,
            .rows = 0};
  }
  std::vector<float> values;
  ImageView view;
};

std::vector<float> Segment(const Tiler& tiler, const ImageView& image, const SegmentOptions& o,
                           int64_t classes = 1) {
  std::vector<float> out(static_cast<size_t>(image.height * image.width * classes), -1);
  tiler.Segment(Checked(image), {.begin = 0, .end = image.height},
                {.kind = OutputKind::kLogits,
                 .data = out.data(),
                 .row_stride = image.width,
                 .plane_stride = image.height * image.width,
                 .first_row = 0},
                o);
  return out;
}

Tiler TilerOf(const std::shared_ptr<Executor>& executor,
              Normalisation normalisation = {.gain = {1}, .offset = {0}}) {
  const SegmentationModel model{.geometry = executor->geometry(),
                                .normalisation = std::move(normalisation),
                                .why_not_tileable = "it is a test"};
  return {executor, model, std::make_shared<ThreadPool>(2)};
}

Tiler IdentityTiler(int64_t halo, int64_t alignment = 1, int64_t margin = 0) {
  return TilerOf(std::make_shared<IdentityExecutor>(halo, alignment, margin));
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
  const Tiler tiler = TilerOf(std::make_shared<IdentityExecutor>(2, 1, 0, 3),
                              {.gain = {1, 2, 4}, .offset = {0, 8, 0.5}});
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
    const Range need = tiler.BandRows(100, 30, {.begin = begin, .end = end}, o);
    EXPECT_LE(need.size(), 16 + 2 * 12);  // a band and its context, not the image
    part.first_row = need.begin;
    part.rows = need.size();
    part.data = image.values.data() + part.first_row * 30;
    std::vector<float> out(static_cast<size_t>((end - begin) * 30));
    tiler.Segment(Checked(part), {.begin = begin, .end = end},
                  {.kind = OutputKind::kLogits,
                   .data = out.data(),
                   .row_stride = 30,
                   .plane_stride = 0,
                   .first_row = begin},
                  o);
    for (size_t i = 0; i < out.size(); ++i)
      ASSERT_EQ(out[i], image.values[static_cast<size_t>(begin * 30) + i]);
    part.rows -= 1;
    EXPECT_THROW(tiler.Segment(Checked(part), {begin, end},
                               {OutputKind::kLogits, out.data(), 30, 0, begin}, o),
                 Error);
  }
}

TEST(Tiler, RefusesOptionsThatDoNotFitTheImage) {
  const Tiler tiler = IdentityTiler(2);
  const Image image(8, 9);
  SegmentOptions o;
  o.max_memory_bytes = 10;
  EXPECT_THROW(Segment(tiler, image.view, o), Error);
  o = {};
  o.mode = TileMode::kGaussian;
  o.overlap = 1000;
  EXPECT_THROW(Segment(tiler, image.view, o), Error);
}

TEST(Tiler, OneRuleForProgressInAllModes) {
  const Image image(40, 30);
  NetworkGeometry whole = IdentityExecutor(2).geometry();
  whole.tileable = false;
  for (TileMode mode : {TileMode::kExact, TileMode::kConstant, TileMode::kGaussian})
    for (bool tileable : {true, false}) {
      const Tiler tiler =
          tileable ? IdentityTiler(2) : TilerOf(std::make_shared<IdentityExecutor>(whole));
      SegmentOptions o;
      o.mode = mode;
      if (tileable || mode != TileMode::kExact) o.tile_height_px = o.tile_width_px = 16;
      int64_t calls = 0, tiles = 0;
      o.progress = [&](int64_t done, int64_t total) {
        EXPECT_EQ(done, ++calls);
        tiles = total;
        return true;
      };
      EXPECT_EQ(Segment(tiler, image.view, o).size(), image.values.size());
      EXPECT_EQ(calls, tiles);
      // False cancels at every call, the last one included.
      for (int64_t stop = 1; stop <= tiles; ++stop) {
        o.progress = [&](int64_t done, int64_t) { return done < stop; };
        try {
          Segment(tiler, image.view, o);
          FAIL() << "not cancelled";
        } catch (const Error& e) {
          EXPECT_EQ(e.code(), ErrorCode::kCancelled) << e.what();
        }
      }
    }
}

// Throws at a call, and notes where its windows lie.
class Throwing final : public Executor {
 public:
  explicit Throwing(const NetworkGeometry& geometry) : Executor(geometry) {}
  void Run(const float* in, float*, int64_t, int64_t, int64_t) override {
    windows.insert(in);
    throw std::runtime_error("the network fails");
  }
  void RunTile(const float* in, float* out, int64_t n, const Tile& tile) override {
    Run(in, out, n, tile.size.height, tile.size.width);
  }
  std::set<const float*> windows;
};

TEST(Tiler, ANetworkThatThrowsGivesItsBuffersBack) {
  const Image image(40, 30);
  for (TileMode mode : {TileMode::kExact, TileMode::kGaussian})
    for (bool tileable : {true, false}) {
      NetworkGeometry geometry = IdentityExecutor(2).geometry();
      geometry.tileable = tileable;
      const auto network = std::make_shared<Throwing>(geometry);
      const Tiler tiler = TilerOf(network);
      SegmentOptions o;
      o.mode = mode;
      for (int call = 0; call < 5; ++call)
        EXPECT_THROW(Segment(tiler, image.view, o), std::runtime_error);
      EXPECT_EQ(network->windows.size(), 1u) << "memory grows with each failure";
    }
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
