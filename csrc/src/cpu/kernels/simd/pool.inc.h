// Maximum and mean over windows.
#pragma once

#include "cpu/kernels/simd/common.inc.h"
#include "cpu/kernels/simd/vector.inc.h"

// Taps whose offsets lie in [begin, end), for a window that begins at `at`.
struct PoolTaps {
  int64_t begin, end;
};
static inline int64_t TapsBefore(int64_t distance, int64_t dilation) {
  return dilation == 1 ? distance : (distance + dilation - 1) / dilation;
}
static inline PoolTaps TapsWithin(const PoolAxis& axis, int64_t at, int64_t begin, int64_t end) {
  return {.begin = at < begin ? TapsBefore(begin - at, axis.dilation) : 0,
          .end = at < end ? Smaller(axis.kernel, TapsBefore(end - at, axis.dilation)) : 0};
}

static void Pool(const PoolArgs& a, const Span& span) {
  const int64_t iz = a.slice * a.z.stride;
  const PoolTaps kz = TapsWithin(a.z, iz, a.z.valid_begin, a.z.valid_end);
  const PoolTaps slices = TapsWithin(a.z, iz, a.z.counted_begin, a.z.counted_end);
  for (int64_t block = span.block_begin; block < span.block_end; ++block) {
    for (int64_t y = span.y_begin; y < span.y_end; ++y) {
      const int64_t iy = y * a.y.stride;
      const PoolTaps ky = TapsWithin(a.y, iy, a.y.valid_begin, a.y.valid_end);
      const PoolTaps rows = TapsWithin(a.y, iy, a.y.counted_begin, a.y.counted_end);
      float* out = a.out[block].data + y * a.out[block].row_stride + span.x_begin * kBlock;
      for (int64_t x = span.x_begin; x < span.x_end; ++x, out += kBlock) {
        const int64_t ix = x * a.x.stride;
        const PoolTaps kx = TapsWithin(a.x, ix, a.x.valid_begin, a.x.valid_end);
        V16 result = Set1(a.maximum ? -PYENGINE_INFINITY : 0.0f);
        for (int64_t tz = kz.begin; tz < kz.end; ++tz) {
          const Plane& in = a.in[block * a.z.kernel + tz];
          for (int64_t ty = ky.begin; ty < ky.end; ++ty) {
            const float* row = in.data + (iy + ty * a.y.dilation) * in.row_stride;
            const float* tap = row + (ix + kx.begin * a.x.dilation) * kBlock;
            for (int64_t tx = kx.begin; tx < kx.end; ++tx, tap += a.x.dilation * kBlock)
              result = a.maximum ? Max(Load(tap), result) : Add(result, Load(tap));
          }
        }
        if (!a.maximum) {
          const PoolTaps columns = TapsWithin(a.x, ix, a.x.counted_begin, a.x.counted_end);
          const int64_t taps =
              (slices.end - slices.begin) * (rows.end - rows.begin) * (columns.end - columns.begin);
          result = Div(result, Set1(static_cast<float>(taps)));
        }
        Store(out, result);
      }
    }
  }
}
