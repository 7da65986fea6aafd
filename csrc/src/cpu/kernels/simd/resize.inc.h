// Enlargement by nearest neighbour or bilinearly; resizing by any filter.
#pragma once

#include "cpu/kernels/simd/vector.inc.h"

// One slice's pixel x, mixed of two rows and columns.
PYENGINE_INLINE V16 Bilinear(const UpsampleArgs& a, const Plane& in, int64_t y, int64_t x) {
  const float* row = in.data + a.y_index[y] * in.row_stride;
  const float* next = in.data + a.y_next[y] * in.row_stride;
  const int64_t left = a.x_index[x] * kBlock, right = a.x_next[x] * kBlock;
  const V16 wx = Set1(a.x_weight[x]);
  const V16 a0 = Load(row + left), a1 = Load(next + left);
  const V16 top = Fma(Sub(Load(row + right), a0), wx, a0);
  const V16 bottom = Fma(Sub(Load(next + right), a1), wx, a1);
  return Fma(Sub(bottom, top), Set1(a.y_weight[y]), top);
}

static void Upsample(const UpsampleArgs& a, const Span& span) {
  for (int64_t block = span.block_begin; block < span.block_end; ++block) {
    const Plane& in = a.in[block * a.z_taps];
    const Plane& behind = a.in[block * a.z_taps + a.z_taps - 1];
    for (int64_t y = span.y_begin; y < span.y_end; ++y) {
      const float* row = in.data + a.y_index[y] * in.row_stride;
      float* out = a.out[block].data + y * a.out[block].row_stride;
      if (!a.y_weight) {
        for (int64_t x = span.x_begin; x < span.x_end; ++x)
          Store(out + x * kBlock, Load(row + a.x_index[x] * kBlock));
      } else if (a.z_taps == 1) {
        for (int64_t x = span.x_begin; x < span.x_end; ++x)
          Store(out + x * kBlock, Bilinear(a, in, y, x));
      } else {
        const V16 wz = Set1(a.z_weight);
        for (int64_t x = span.x_begin; x < span.x_end; ++x) {
          const V16 front = Bilinear(a, in, y, x);
          Store(out + x * kBlock, Fma(Sub(Bilinear(a, behind, y, x), front), wz, front));
        }
      }
    }
  }
}

PYENGINE_INLINE V16 ResampledPixel(const ResampleArgs& a, const Plane& in, int64_t y, int64_t x) {
  V16 sum = Set1(0.0f);
  for (int64_t ty = y * a.y_taps; ty < (y + 1) * a.y_taps; ++ty) {
    const float* row = in.data + a.y_index[ty] * in.row_stride;
    V16 line = Set1(0.0f);
    for (int64_t tx = x * a.x_taps; tx < (x + 1) * a.x_taps; ++tx)
      line = Fma(Load(row + a.x_index[tx] * kBlock), Set1(a.x_weight[tx]), line);
    sum = Fma(line, Set1(a.y_weight[ty]), sum);
  }
  return sum;
}

static void Resample(const ResampleArgs& a, const Span& span) {
  for (int64_t block = span.block_begin; block < span.block_end; ++block) {
    const Plane* in = a.in + block * a.z_taps;
    for (int64_t y = span.y_begin; y < span.y_end; ++y) {
      float* out = a.out[block].data + y * a.out[block].row_stride;
      for (int64_t x = span.x_begin; x < span.x_end; ++x) {
        if (a.z_taps == 1) {
          Store(out + x * kBlock, ResampledPixel(a, *in, y, x));
          continue;
        }
        V16 sum = Set1(0.0f);
        for (int64_t tz = 0; tz < a.z_taps; ++tz)
          sum = Fma(ResampledPixel(a, in[tz], y, x), Set1(a.z_weight[tz]), sum);
        Store(out + x * kBlock, sum);
      }
    }
  }
}
