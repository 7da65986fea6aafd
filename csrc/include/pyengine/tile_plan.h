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
};

}  // namespace pyengine
