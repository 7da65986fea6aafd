// How threads share the tiles of a Winograd convolution.
#pragma once

#include <cstdint>

#include "core/range.h"

namespace pyengine {

// Every thread has an equal share of consecutive tiles and passes over it in pieces of `step`; the
// last piece of a share takes what is left. Weights pass once per piece: a few tiles left over join
// the piece before.
class TilePieces {
 public:
  TilePieces() = default;
  // Fewer tiles than a piece per thread are one share.
  TilePieces(int64_t tiles, int64_t step, int threads);

  int64_t count() const { return shares_ * share_pieces_; }
  Range Piece(int64_t i) const;
  // What follows piece i in its share, up to a piece.
  Range After(int64_t i) const;
  // Of the largest piece.
  int64_t most_tiles() const { return most_tiles_; }

 private:
  Range Share(int64_t i) const;

  int64_t tiles_ = 0, step_ = 1;
  int64_t shares_ = 1, share_pieces_ = 1;
  int64_t most_tiles_ = 0;
};

}  // namespace pyengine
