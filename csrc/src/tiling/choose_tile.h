// Of what size tiles are, and where overlapping windows lie: integers only.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "pyengine/executor.h"

namespace pyengine {

// Origins of overlapping windows of `window` that cover [0, size) without reaching past it where
// size >= window: steps of window - overlap, the last one moved back to the end.
std::vector<int64_t> BlendOrigins(int64_t size, int64_t window, int64_t overlap);

struct TileCosts {
  std::function<double(TileSize)> cost;           // of an image's first tile
  std::function<int64_t(TileSize)> memory_bytes;  // of that tile in flight
};

struct ChosenTile {
  TileSize size;
  double slowdown = 1;  // its cost over the lowest that more memory would allow
};

// The output tile with the lowest total cost for a height x width image whose memory fits the
// budget. Sides are multiples of `grid`, or the image's where one tile spans it. A side given as >
// 0 is rounded up and kept. Throws Error(kInvalidArgument) if no tile fits, naming what the
// smallest one needs.
ChosenTile ChooseTile(int64_t height, int64_t width, int64_t grid, TileSize wanted,
                      int64_t budget_bytes, const TileCosts& costs);

}  // namespace pyengine
