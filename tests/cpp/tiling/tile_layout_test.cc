#include "tiling/tile_layout.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "core/checked_math.h"
#include "pyengine/error.h"
#include "support/identity_executor.h"

namespace pyengine {
namespace {

// Its windows tell how far a tile lies from the image's end.
class Reaching final : public Executor {
 public:
  explicit Reaching(int64_t reach) : Executor(IdentityExecutor(4).geometry()), reach_(reach) {}
  void Run(const float*, float*, int64_t, int64_t, int64_t) override {}
  int64_t TileReach() const override { return reach_; }
  Window WindowFor(const Tile& tile) const override {
    ++windows_asked;
    return {.height = 2 + tile.to_end.height, .width = 4 + tile.to_end.width, .top = 1, .left = 2};
  }
  double TileCost(const Tile& tile) const override {
    return double(tile.to_end.height * tile.to_end.width + tile.size.width);
  }
  mutable int64_t windows_asked = 0;

 private:
  int64_t reach_;
};

TEST(TileLayout, EveryTileReadsWhatItsOwnWindowSays) {
  for (int64_t reach : {0, 3, 8, 50})
    for (int64_t size : {1, 7, 8, 9, 40, 61})
      for (int64_t tile : {1, 8, 13, 100}) {
        const Reaching executor(reach);
        const int64_t side = std::min(tile, size);
        TilePlan plan;
        plan.tile = {.height = side, .width = side};
        plan.tiles_down = plan.tiles_across = CeilDiv(size, side);
        const TileLayout layout(
            executor, plan, {.height = size, .width = size},
            {.rows = {.begin = 0, .end = size}, .columns = {.begin = 0, .end = size}});
        double cost = 0;
        int64_t largest = 0;
        for (int64_t row = 0; row < plan.tiles_down; ++row)
          for (int64_t column = 0; column < plan.tiles_across; ++column) {
            const int64_t y = row * side, x = column * side;
            const int64_t h = std::min(side, size - y), w = std::min(side, size - x);
            const Tile want{.size = {.height = h, .width = w},
                            .to_end = {.height = std::min(size - y, h + reach),
                                       .width = std::min(size - x, w + reach)}};
            ASSERT_EQ(layout.At(row, column), want);
            EXPECT_EQ(layout.WindowRows(row).begin, y - 1);
            EXPECT_EQ(layout.WindowRows(row).end, y + 1 + want.to_end.height);
            EXPECT_EQ(layout.WindowColumns(column).begin, x - 2);
            EXPECT_EQ(layout.WindowColumns(column).end, x + 2 + want.to_end.width);
            largest = std::max(largest, 2 + want.to_end.height);
            cost += executor.TileCost(want);
          }
        EXPECT_EQ(layout.LargestWindow().height, largest);
        EXPECT_DOUBLE_EQ(layout.plan.cost, cost);
        for (int64_t begin = 0; begin < plan.tiles_down; ++begin)
          for (int64_t end = begin + 1; end <= plan.tiles_down; ++end) {
            Range want;
            for (int64_t row = begin; row < end; ++row) want.Include(layout.WindowRows(row));
            const Range got =
                layout.PlaneRows({.begin = begin * side, .end = std::min(size, end * side)});
            ASSERT_EQ(got.begin, want.begin);
            ASSERT_EQ(got.end, want.end);
          }
      }
}

TEST(TileLayouts, TakeNoMoreTimeOrMemoryForMoreTiles) {
  const Reaching executor(8);
  TileLayouts layouts("", {});
  SegmentOptions options;
  options.tile_height_px = options.tile_width_px = 1;
  const int64_t side = int64_t(1) << 30;
  const auto layout = layouts.Find(executor, side, side, options);
  EXPECT_EQ(layout->plan.tiles_down, side);
  EXPECT_LT(executor.windows_asked, 100);
  EXPECT_EQ(layout->PlaneRows({0, side}).end, side + 1);
  EXPECT_EQ(layouts.Find(executor, side, side, options), layout);
}

TEST(TileLayouts, SayWhyANetworkHasNone) {
  NetworkGeometry geometry = IdentityExecutor(2).geometry();
  geometry.tileable = false;
  const IdentityExecutor executor(geometry);
  TileLayouts layouts("it averages", {});
  try {
    layouts.Find(executor, 8, 8, {});
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::kUnsupported);
    EXPECT_STREQ(e.what(), "no tiles: it averages");
  }
}

TEST(RequireRows, NamesWhatIsMissing) {
  const ImageView view{.height = 100, .width = 5, .first_row = 10, .rows = 40};
  EXPECT_NO_THROW(RequireRows(view, 16, 16, {10, 50}));
  EXPECT_THROW(RequireRows(view, 16, 8, {10, 50}), Error);
  EXPECT_THROW(RequireRows(view, 16, 16, {9, 50}), Error);
  EXPECT_THROW(RequireRows(view, 16, 16, {10, 51}), Error);
}

}  // namespace
}  // namespace pyengine
