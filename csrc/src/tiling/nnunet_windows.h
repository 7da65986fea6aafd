// Where nnU-Net's inference lays its windows, and how it weights them (its version 2).
#pragma once

#include <cstdint>
#include <vector>

#include "pyengine/executor.h"

namespace pyengine {

// Origins of windows on an axis of `size`: evenly spread, at most half a window apart, rounded to
// whole pixels. A window that is larger than the image lies around it.
std::vector<int64_t> NnUnetOrigins(int64_t size, int64_t window);

// Weight of each voxel of a window: a Gaussian of standard deviation side / 8 around voxel side /
// 2, 10 at its peak, as half-precision numbers; the smallest of them where it would be 0.
std::vector<float> NnUnetWeights(TileSize window);

}  // namespace pyengine
