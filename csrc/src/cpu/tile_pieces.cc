#include "cpu/tile_pieces.h"

#include <algorithm>

namespace pyengine {
namespace {

// Fewer tiles than fill a register tile multiply slowly: pieces are cut where at least so many do.
constexpr int64_t kCut = 4;

}  // namespace

TilePieces::TilePieces(int64_t tiles, int64_t step, int threads) {
  const int64_t shares = tiles >= threads * step ? threads : 1;
  for (int64_t i = 0; i < shares; ++i)
    AddShare(EqualPart({0, tiles}, i, shares, kCut), step, shares > 1 ? step / 2 : step);
}

// Half of what is left at a time, between `least` and `step`.
void TilePieces::AddShare(Range share, int64_t step, int64_t least) {
  for (int64_t begin = share.begin; begin < share.end;) {
    const int64_t left = share.end - begin;
    int64_t size = std::clamp(RoundUp(CeilDiv(left, 2), kCut), least, step);
    if (left - size < (least + 1) / 2) size = left;
    const Range tiles{begin, begin + size};
    if (begin > share.begin) pieces_.back().after = tiles;
    pieces_.push_back({tiles, {tiles.end, tiles.end}});
    most_tiles_ = std::max(most_tiles_, size);
    begin = tiles.end;
  }
}

}  // namespace pyengine
