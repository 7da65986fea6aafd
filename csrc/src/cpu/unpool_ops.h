// Where in its window a maximum lies, and maxima put back to where they came from.
#pragma once

#include <cstdint>

#include "cpu/kernels/kernels.h"

namespace pyengine {

// Rows [y_begin, y_end) of one block: the number (ky * kernel_x + kx) of the tap that holds a
// window's maximum, the first among equals. Windows and taps as of PoolArgs.
void MaxIndexRows(const PoolAxis& y_axis, const PoolAxis& x_axis, const Plane& in, const Plane& out,
                  int64_t width, int64_t y_begin, int64_t y_end);

// Of one axis: output 0 is tap `at` of window 0; `windows` exist.
struct UnpoolAxis {
  int64_t kernel, stride, at, windows;
};
// Rows [y_begin, y_end) of one block: each window's number at the tap that its index names, among
// zeros.
void UnpoolRows(const UnpoolAxis& y_axis, const UnpoolAxis& x_axis, const Plane& in,
                const Plane& indices, const Plane& out, int64_t width, int64_t y_begin,
                int64_t y_end);

}  // namespace pyengine
