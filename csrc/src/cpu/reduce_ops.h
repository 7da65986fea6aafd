// Many numbers become one: of a plane, of a pixel, of a window. Sums are double, in a fixed order.
#pragma once

#include <cstdint>

#include "cpu/kernels/kernels.h"
#include "graph/graph.h"

namespace pyengine {

// Each lane of height x width pixels, into pixel (0, 0) of `out`.
void ReducePlane(ReduceKind kind, const Plane& in, const Plane& out, int64_t height, int64_t width);

// The channels of each pixel of rows [y_begin, y_end), into every lane of `out`.
void ReduceChannels(ReduceKind kind, const Plane* in, const Plane& out, int64_t channels,
                    int64_t width, int64_t y_begin, int64_t y_end);

// The index of the highest channel, the lowest among equals, into every lane.
void ArgMaxRows(const Plane* in, const Plane& out, int64_t channels, int64_t width, int64_t y_begin,
                int64_t y_end);

// Row `y` of a plane shrunk from height x width to out_height x out_width pixels: of maxima or
// means over windows from floor(i * in / out) to ceil((i + 1) * in / out).
void AdaptivePoolRow(ReduceKind kind, const Plane& in, const Plane& out, const int64_t in_size[2],
                     const int64_t out_size[2], int64_t y);

}  // namespace pyengine
