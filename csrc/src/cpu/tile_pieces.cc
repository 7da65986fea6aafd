#include "cpu/tile_pieces.h"

#include <algorithm>

namespace pyengine {
namespace {

// Fewer tiles than fill a register tile multiply slowly: shares are cut where at least so many do.
constexpr int64_t kShareStep = 4;

}  // namespace

TilePieces::TilePieces(int64_t tiles, int64_t step, int threads)
    : tiles_(tiles), step_(step), shares_(tiles >= threads * step ? threads : 1) {
  int64_t largest = 0;
  for (int64_t i = 0; i < shares_; ++i) largest = std::max(largest, Share(i).size());
  share_pieces_ = std::max<int64_t>(1, (largest + step / 2) / step);
  const int64_t last = largest - (share_pieces_ - 1) * step;
  most_tiles_ = share_pieces_ == 1 ? last : std::max(step, last);
}

Range TilePieces::Share(int64_t i) const {
  return EqualPart({0, tiles_}, i, shares_, kShareStep);
}

Range TilePieces::Piece(int64_t i) const {
  const Range share = Share(i / share_pieces_);
  const int64_t piece = i % share_pieces_;
  const int64_t begin = share.begin + piece * step_;
  return {begin, piece + 1 == share_pieces_ ? share.end : begin + step_};
}

Range TilePieces::After(int64_t i) const {
  const Range share = Share(i / share_pieces_);
  const int64_t begin = Piece(i).end;
  return {begin, std::min(share.end, begin + step_)};
}

}  // namespace pyengine
