#include "cpu/unpool_ops.h"

#include <algorithm>

namespace pyengine {

void MaxIndexRows(const PoolAxis& y_axis, const PoolAxis& x_axis, const Plane& in, const Plane& out,
                  int64_t width, int64_t y_begin, int64_t y_end) {
  for (int64_t y = y_begin; y < y_end; ++y)
    for (int64_t x = 0; x < width; ++x) {
      float* index = out.data + y * out.row_stride + x * kBlock;
      float highest[kBlock] = {};
      bool first = true;
      for (int64_t ky = 0; ky < y_axis.kernel; ++ky)
        for (int64_t kx = 0; kx < x_axis.kernel; ++kx) {
          const int64_t iy = y * y_axis.stride + ky, ix = x * x_axis.stride + kx;
          if (iy < y_axis.valid_begin || iy >= y_axis.valid_end || ix < x_axis.valid_begin ||
              ix >= x_axis.valid_end)
            continue;
          const float* tap = in.data + iy * in.row_stride + ix * kBlock;
          for (int lane = 0; lane < kBlock; ++lane)
            if (first || tap[lane] > highest[lane]) {
              highest[lane] = tap[lane];
              index[lane] = static_cast<float>(ky * x_axis.kernel + kx);
            }
          first = false;
        }
    }
}

void UnpoolRows(const UnpoolAxis& y_axis, const UnpoolAxis& x_axis, const Plane& in,
                const Plane& indices, const Plane& out, int64_t width, int64_t y_begin,
                int64_t y_end) {
  for (int64_t y = y_begin; y < y_end; ++y)
    for (int64_t x = 0; x < width; ++x) {
      float* to = out.data + y * out.row_stride + x * kBlock;
      std::fill_n(to, kBlock, 0.0f);
      const int64_t wy = (y_axis.at + y) / y_axis.stride, ky = (y_axis.at + y) % y_axis.stride;
      const int64_t wx = (x_axis.at + x) / x_axis.stride, kx = (x_axis.at + x) % x_axis.stride;
      if (wy >= y_axis.windows || wx >= x_axis.windows || ky >= y_axis.kernel ||
          kx >= x_axis.kernel)
        continue;
      const float* from = in.data + wy * in.row_stride + wx * kBlock;
      const float* index = indices.data + wy * indices.row_stride + wx * kBlock;
      const auto tap = static_cast<float>(ky * x_axis.kernel + kx);
      for (int lane = 0; lane < kBlock; ++lane)
        if (index[lane] == tap) to[lane] = from[lane];
    }
}

}  // namespace pyengine
