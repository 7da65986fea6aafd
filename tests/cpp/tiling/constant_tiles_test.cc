#include "tiling/constant_tiles.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace pyengine {
namespace {

const Tile kTile{.size = {.height = 2, .width = 3}, .to_end = {.height = 2, .width = 3}};

bool Constant(std::vector<float> values, Range columns, ChannelBits* bits = nullptr) {
  return IsConstant(values.data(), {.channels = 1, .height = 2, .width = 3}, columns, bits);
}

TEST(ConstantTiles, ConstantMeansEqualBits) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  EXPECT_TRUE(Constant({4, 4, 4, 4, 4, 4}, {0, 3}));
  EXPECT_TRUE(Constant({nan, nan, nan, nan, nan, nan}, {0, 3}));
  EXPECT_FALSE(Constant({0, 0, 0, 0, 0, -0.0f}, {0, 3}));
  EXPECT_FALSE(Constant({4, 4, 4, 4, 5, 4}, {0, 3}));
  EXPECT_TRUE(Constant({4, 4, 5, 4, 4, 5}, {0, 2}));
  EXPECT_TRUE(Constant({4, 4, 5, 4, 4, 5}, {2, 3}));
  EXPECT_FALSE(Constant({4, 4, 5, 4, 4, 6}, {2, 3}));
}

TEST(ConstantTiles, EachChannelHasItsValue) {
  const std::vector<float> window{1, 1, 2, 2};
  ChannelBits bits;
  EXPECT_TRUE(IsConstant(window.data(), {.channels = 2, .height = 1, .width = 2}, {0, 2}, &bits));
  ASSERT_EQ(bits.size(), 2u);
  EXPECT_NE(bits[0], bits[1]);
}

TEST(ConstantTiles, KeepsWhatWasUsedLast) {
  const std::vector<float> logits{1, 2, 3, 4, 5, 6};
  ConstantTiles tiles(2 * 6 * sizeof(float));
  tiles.Keep(kTile, {1}, logits.data(), 6);
  tiles.Keep(kTile, {2}, logits.data(), 6);
  EXPECT_EQ(tiles.bytes(), 48);
  EXPECT_NE(tiles.Find(kTile, {1}), nullptr);
  tiles.Keep(kTile, {3}, logits.data(), 6);
  EXPECT_EQ(tiles.bytes(), 48);
  EXPECT_EQ(tiles.Find(kTile, {2}), nullptr);
  EXPECT_EQ((*tiles.Find(kTile, {1}))[5], 6);
  Tile at_end = kTile;
  at_end.to_end.width = 7;
  EXPECT_EQ(tiles.Find(at_end, {1}), nullptr);
  tiles.Clear();
  EXPECT_EQ(tiles.bytes(), 0);
}

TEST(ConstantTiles, KeepsNothingThatIsTooLarge) {
  const std::vector<float> logits{1, 2, 3, 4, 5, 6};
  ConstantTiles tiles(5 * sizeof(float));
  tiles.Keep(kTile, {1}, logits.data(), 6);
  EXPECT_EQ(tiles.bytes(), 0);
}

}  // namespace
}  // namespace pyengine
