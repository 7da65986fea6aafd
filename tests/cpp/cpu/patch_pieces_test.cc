#include "cpu/patch_pieces.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <vector>

namespace pyengine {
namespace {

// Pieces of each share: one ends where nothing is after a piece.
std::vector<std::vector<int64_t>> SizesByShare(const PatchPieces& pieces) {
  std::vector<std::vector<int64_t>> shares(1);
  for (int64_t i = 0; i < pieces.count(); ++i) {
    shares.back().push_back(pieces.Piece(i).size());
    if (pieces.After(i).empty() && i + 1 < pieces.count()) shares.emplace_back();
  }
  return shares;
}

TEST(PatchPieces, CoverEveryPatchOnceInOrder) {
  for (int threads : {1, 2, 3, 8})
    for (int64_t step : {24, 36, 64})
      for (int64_t patches : {1, 3, 23, 24, 35, 47, 48, 81, 100, 289, 324, 522, 1000}) {
        const PatchPieces pieces(patches, step, threads);
        int64_t end = 0, most = 0;
        for (int64_t i = 0; i < pieces.count(); ++i) {
          const Range piece = pieces.Piece(i), after = pieces.After(i);
          EXPECT_EQ(piece.begin, end);
          EXPECT_FALSE(piece.empty());
          end = piece.end;
          most = std::max(most, piece.size());
          if (after.empty()) continue;
          EXPECT_EQ(after.begin, pieces.Piece(i + 1).begin);
          EXPECT_EQ(after.end, pieces.Piece(i + 1).end);
        }
        EXPECT_EQ(end, patches);
        EXPECT_EQ(pieces.most(), most) << patches << " by " << step << ", " << threads;
        EXPECT_LT(most, step + step / 2);
      }
}

TEST(PatchPieces, SharesOfThreadsAreEqual) {
  for (int64_t patches : {81, 289, 324, 522}) {
    const auto shares = SizesByShare({patches, 36, 2});
    ASSERT_EQ(shares.size(), 2u) << patches;
    for (const auto& sizes : shares)
      EXPECT_NEAR(std::accumulate(sizes.begin(), sizes.end(), 0.0), double(patches) / 2, 4)
          << patches;
  }
}

TEST(PatchPieces, SharesEndInHalfPieces) {
  for (int64_t step : {24, 36, 64})
    for (int64_t patches : {289, 324, 522})
      for (const auto& sizes : SizesByShare({patches, step, 2})) {
        EXPECT_EQ(sizes.front(), step);
        EXPECT_LT(sizes.back(), step * 3 / 4) << patches << " by " << step;
        EXPECT_GE(sizes.back(), step / 4) << patches << " by " << step;
      }
}

TEST(PatchPieces, NoPassOfTheWeightsForAFewPatches) {
  const PatchPieces pieces(289, 36, 1);
  EXPECT_EQ(pieces.count(), 8);
  EXPECT_EQ(pieces.Piece(7).size(), 37);
}

}  // namespace
}  // namespace pyengine
