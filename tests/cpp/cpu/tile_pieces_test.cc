#include "cpu/tile_pieces.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace pyengine {
namespace {

TEST(TilePieces, CoverEveryTileOnceInOrder) {
  for (int threads : {1, 2, 3, 8})
    for (int64_t step : {24, 36, 64})
      for (int64_t tiles : {1, 3, 23, 24, 35, 47, 48, 81, 100, 289, 324, 522, 1000}) {
        const TilePieces pieces(tiles, step, threads);
        int64_t end = 0, most = 0;
        for (int64_t i = 0; i < pieces.count(); ++i) {
          const Range piece = pieces.Piece(i);
          EXPECT_EQ(piece.begin, end);
          EXPECT_FALSE(piece.empty());
          end = piece.end;
          most = std::max(most, piece.size());
          EXPECT_EQ(pieces.After(i).begin, piece.end);
          EXPECT_LE(pieces.After(i).end, tiles);
        }
        EXPECT_EQ(end, tiles);
        EXPECT_EQ(pieces.most_tiles(), most) << tiles << " by " << step << ", " << threads;
        EXPECT_LT(most, step + step / 2 + 4);
      }
}

TEST(TilePieces, SharesOfThreadsAreEqual) {
  for (int64_t tiles : {81, 289, 324, 522}) {
    const TilePieces pieces(tiles, 36, 2);
    ASSERT_EQ(pieces.count() % 2, 0);
    int64_t first = 0;
    for (int64_t i = 0; i < pieces.count() / 2; ++i) first += pieces.Piece(i).size();
    EXPECT_NEAR(double(first), double(tiles) / 2, 4) << tiles;
  }
}

TEST(TilePieces, NoPassOfTheWeightsForAFewTiles) {
  const TilePieces pieces(289, 36, 1);
  EXPECT_EQ(pieces.count(), 8);
  EXPECT_EQ(pieces.Piece(7).size(), 37);
}

}  // namespace
}  // namespace pyengine
