// Maximum and mean over windows.
#pragma once

#include "cpu/kernels/simd/common.inc.h"
#include "cpu/kernels/simd/vector.inc.h"

static void Pool(const PoolArgs& a, const Span& span) {
  for (int64_t block = span.block_begin; block < span.block_end; ++block) {
    const Plane& in = a.in[block];
    for (int64_t y = span.y_begin; y < span.y_end; ++y) {
      const int64_t iy = y * a.stride_y;
      const int64_t ky_begin = iy < a.valid_y_begin ? a.valid_y_begin - iy : 0;
      const int64_t ky_end = Smaller(a.kernel_y, a.valid_y_end - iy);
      float* out = a.out[block].data + y * a.out[block].row_stride + span.x_begin * kBlock;
      for (int64_t x = span.x_begin; x < span.x_end; ++x, out += kBlock) {
        const int64_t ix = x * a.stride_x;
        const int64_t kx_begin = ix < a.valid_x_begin ? a.valid_x_begin - ix : 0;
        const int64_t kx_end = Smaller(a.kernel_x, a.valid_x_end - ix);
        V16 result = Set1(a.maximum ? -PYENGINE_INFINITY : 0.0f);
        for (int64_t ky = ky_begin; ky < ky_end; ++ky) {
          const float* tap = in.data + (iy + ky) * in.row_stride + (ix + kx_begin) * kBlock;
          for (int64_t kx = kx_begin; kx < kx_end; ++kx, tap += kBlock)
            result = a.maximum ? Max(Load(tap), result) : Add(result, Load(tap));
        }
        if (!a.maximum) {
          const int64_t taps =
              a.count_all ? a.kernel_y * a.kernel_x : (ky_end - ky_begin) * (kx_end - kx_begin);
          result = Div(result, Set1(static_cast<float>(taps)));
        }
        Store(out, result);
      }
    }
  }
}
