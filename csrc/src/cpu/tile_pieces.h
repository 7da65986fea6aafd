// How threads share the tiles of a Winograd convolution.
#pragma once

#include <cstdint>
#include <vector>

#include "core/range.h"

namespace pyengine {

// Every thread has an equal share of consecutive tiles and passes over it in pieces of `step`, at
// last of half as many: a thread that is done early waits for half a piece of another's, not a
// whole one. Weights pass once per piece: a few tiles left over join the piece before.
class TilePieces {
 public:
  TilePieces() = default;
  // Fewer tiles than a piece per thread are one share.
  TilePieces(int64_t tiles, int64_t step, int threads);

  int64_t count() const { return static_cast<int64_t>(pieces_.size()); }
  Range Piece(int64_t i) const { return pieces_[i].tiles; }
  // The piece after piece i in its share, or an empty range.
  Range After(int64_t i) const { return pieces_[i].after; }
  // Of the largest piece.
  int64_t most_tiles() const { return most_tiles_; }

 private:
  struct Entry {
    Range tiles, after;
  };

  void AddShare(Range share, int64_t step, int64_t least);

  std::vector<Entry> pieces_;
  int64_t most_tiles_ = 0;
};

}  // namespace pyengine
