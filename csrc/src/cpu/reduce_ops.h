// Many numbers become one: of a plane, of a pixel, of a window. Sums are double, in a fixed order.
#pragma once

#include <cstdint>

#include "cpu/kernels/kernels.h"
#include "graph/graph.h"

namespace pyengine {

// Each lane of a block, whose slices `in` are, into pixel (0, 0) of `out`.
void ReducePixels(ReduceKind kind, const Plane* in, const Plane& out, const Axes& size);

// The channels of each pixel of rows [y_begin, y_end), into every lane of `out`.
void ReduceChannels(ReduceKind kind, const Plane* in, const Plane& out, int64_t channels,
                    int64_t width, int64_t y_begin, int64_t y_end);

// The index of the highest channel, the lowest among equals, into every lane.
void ArgMaxRows(const Plane* in, const Plane& out, int64_t channels, int64_t width, int64_t y_begin,
                int64_t y_end);

// Row `y` of slice `z` of a block shrunk from `in_size` to `out_size`: of maxima or means over
// windows from floor(i * in / out) to ceil((i + 1) * in / out).
void AdaptivePoolRow(ReduceKind kind, const Plane* in, const Plane& out, const Axes& in_size,
                     const Axes& out_size, int64_t z, int64_t y);

}  // namespace pyengine
