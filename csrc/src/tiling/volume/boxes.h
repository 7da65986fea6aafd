// How a volume is cut into boxes that are computed exactly.
#pragma once

#include <cstdint>

#include "pyengine/executor.h"
#include "pyengine/options.h"

namespace pyengine {

struct BoxPlan {
  TileSize box;     // largest output box; sides are multiples of the grid, or the volume's
  TileSize volume;  // [px]
  TileSize reach;   // as Executor::BoxReach()

  // The box at (z, y, x), a multiple of `box`.
  Tile At(int64_t z, int64_t y, int64_t x) const;
  int64_t count() const;
};

// Boxes of the lowest cost that fit `budget_bytes`. Sides given by the options are rounded up and
// kept. Throws Error(kInvalidArgument) if no box fits.
BoxPlan PlanBoxes(const Executor& executor, TileSize volume, const SegmentOptions& options,
                  int64_t budget_bytes);

}  // namespace pyengine
