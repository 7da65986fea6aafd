#include "tiling/choose_tile.h"

#include <gtest/gtest.h>

#include "core/checked_math.h"
#include "pyengine/error.h"

namespace pyengine {
namespace {

TEST(TileGrid, OverlappingWindowsCoverEveryPixel) {
  for (int64_t size = 1; size < 80; ++size)
    for (int64_t tile = 1; tile < 40; ++tile)
      for (int64_t overlap : {int64_t{0}, tile / 2, tile - 1}) {
        std::vector<int> covered(static_cast<size_t>(size), 0);
        for (int64_t at : BlendOrigins(size, tile, overlap)) {
          if (size >= tile) {
            ASSERT_LE(at + tile, size);
          }
          for (int64_t i = at; i < std::min(size, at + tile); ++i)
            ++covered[static_cast<size_t>(i)];
        }
        for (int n : covered) ASSERT_GE(n, 1);
      }
}

TEST(TileGrid, ChoosesTheCheapestTileThatFits) {
  // Halo 10 on each side: larger tiles waste less, memory limits them.
  const TileCosts costs{
      .cost = [](TileSize t) { return double((t.height + 20) * (t.width + 20)); },
      .memory_bytes = [](TileSize t) { return (t.height + 20) * (t.width + 20); }};
  TileSize tile = ChooseTile(1000, 1000, 8, {.height = 0, .width = 0}, 1 << 30, costs).size;
  EXPECT_EQ(tile.height, 1000);
  EXPECT_EQ(tile.width, 1000);
  tile = ChooseTile(1000, 1000, 8, {.height = 0, .width = 0}, 200000, costs).size;
  EXPECT_LE((tile.height + 20) * (tile.width + 20), 200000);
  EXPECT_EQ(tile.height % 8, 0);
  const ChosenTile kept = ChooseTile(1000, 1000, 8, {.height = 0, .width = 0}, 200000, costs);
  const double cost =
      costs.cost(tile) * double(CeilDiv(1000, tile.height)) * double(CeilDiv(1000, tile.width));
  EXPECT_DOUBLE_EQ(kept.slowdown, cost / (1020.0 * 1020.0));
  tile = ChooseTile(1000, 1000, 8, {.height = 100, .width = 0}, 1 << 30, costs).size;
  EXPECT_EQ(tile.height, 104);
  try {
    ChooseTile(1000, 1000, 8, {.height = 0, .width = 0}, 100, costs);
    FAIL();
  } catch (const Error& e) {
    EXPECT_NE(std::string(e.what()).find("784"), std::string::npos) << e.what();
  }
}

TEST(TileGrid, SeveralTilesLieOnTheGridAndOneHasTheImagesSize) {
  const TileCosts costs{
      .cost = [](TileSize t) { return double((t.height + 20) * (t.width + 20)); },
      .memory_bytes = [](TileSize t) { return (t.height + 20) * (t.width + 20); }};
  TileSize tile = ChooseTile(1000, 1000, 32, {.height = 0, .width = 0}, 1 << 30, costs).size;
  EXPECT_EQ(tile.height, 1000);
  tile = ChooseTile(1000, 1000, 32, {.height = 100, .width = 995}, 1 << 30, costs).size;
  EXPECT_EQ(tile.height, 128);
  EXPECT_EQ(tile.width, 1000);
  tile = ChooseTile(1000, 1000, 32, {.height = 0, .width = 0}, 100000, costs).size;
  EXPECT_EQ(tile.height % 32, 0);
  EXPECT_EQ(tile.width % 32, 0);
}

}  // namespace
}  // namespace pyengine
