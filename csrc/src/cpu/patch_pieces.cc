#include "cpu/patch_pieces.h"

#include <algorithm>

namespace pyengine {
namespace {

// Fewer patches than fill a register block multiply slowly: pieces are cut where at least so many
// do.
constexpr int64_t kCut = 4;

}  // namespace

PatchPieces::PatchPieces(int64_t patches, int64_t step, int threads) {
  const int64_t shares = patches >= threads * step ? threads : 1;
  for (int64_t i = 0; i < shares; ++i)
    AddShare(EqualPart({.begin = 0, .end = patches}, i, shares, kCut), step,
             shares > 1 ? step / 2 : step);
}

// Half of what is left at a time, between `least` and `step`.
void PatchPieces::AddShare(Range share, int64_t step, int64_t least) {
  for (int64_t begin = share.begin; begin < share.end;) {
    const int64_t left = share.end - begin;
    int64_t size = std::clamp(RoundUp(CeilDiv(left, 2), kCut), least, step);
    if (left - size < (least + 1) / 2) size = left;
    const Range patches{.begin = begin, .end = begin + size};
    if (begin > share.begin) pieces_.back().after = patches;
    pieces_.push_back({.patches = patches, .after = {.begin = patches.end, .end = patches.end}});
    most_ = std::max(most_, size);
    begin = patches.end;
  }
}

}  // namespace pyengine
