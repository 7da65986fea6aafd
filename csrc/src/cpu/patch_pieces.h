// How threads share the patches of a Winograd convolution.
#pragma once

#include <cstdint>
#include <vector>

#include "core/range.h"

namespace pyengine {

// Every thread has an equal share of consecutive patches and passes over it in pieces of `step`, at
// last of half as many: a thread that is done early waits for half a piece of another's, not a
// whole one. Weights pass once per piece: a few patches left over join the piece before.
class PatchPieces {
 public:
  PatchPieces() = default;
  // Fewer patches than a piece per thread are one share.
  PatchPieces(int64_t patches, int64_t step, int threads);

  int64_t count() const { return static_cast<int64_t>(pieces_.size()); }
  Range Piece(int64_t i) const { return pieces_[i].patches; }
  // The piece after piece i in its share, or an empty range.
  Range After(int64_t i) const { return pieces_[i].after; }
  // Of the largest piece.
  int64_t most() const { return most_; }

 private:
  struct Entry {
    Range patches, after;
  };

  void AddShare(Range share, int64_t step, int64_t least);

  std::vector<Entry> pieces_;
  int64_t most_ = 0;
};

}  // namespace pyengine
