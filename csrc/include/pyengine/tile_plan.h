/// \file
/// How an image is cut into tiles.
#pragma once

#include <cstdint>

#include "pyengine/executor.h"

namespace pyengine {

/// How an image will be cut.
struct TilePlan {
  TileSize tile;
  Window window;
  int64_t tiles_down = 0;
  int64_t tiles_across = 0;
  int batch_size = 1;
  int64_t memory_bytes = 0;  ///< Estimated working memory.
  double cost = 0;           ///< Estimated time of all tiles; only ratios of plans matter.
  double slowdown = 1;       ///< `cost` over that of the best plan that more memory would allow.
  int64_t top_px = 0;        ///< Where the first tile begins: at the options' region, or above it.
  int64_t left_px = 0;       ///< As top_px.
  int64_t origin_step_px = 1;  ///< Tiles begin at multiples of it.
  int64_t reach_px = 0;        ///< How far beyond a tile the image's end still matters to it.
};

}  // namespace pyengine
