// Enlargement by nearest neighbour or bilinearly; resizing by any filter.
#pragma once

#include "cpu/kernels/simd/vector.inc.h"

static void Upsample(const UpsampleArgs& a, const Span& span) {
  for (int64_t block = span.block_begin; block < span.block_end; ++block) {
    const Plane& in = a.in[block];
    for (int64_t y = span.y_begin; y < span.y_end; ++y) {
      const float* row = in.data + a.y_index[y] * in.row_stride;
      float* out = a.out[block].data + y * a.out[block].row_stride;
      if (!a.y_weight) {
        for (int64_t x = span.x_begin; x < span.x_end; ++x)
          Store(out + x * kBlock, Load(row + a.x_index[x] * kBlock));
        continue;
      }
      const float* next = in.data + a.y_next[y] * in.row_stride;
      const V16 wy = Set1(a.y_weight[y]);
      for (int64_t x = span.x_begin; x < span.x_end; ++x) {
        const int64_t left = a.x_index[x] * kBlock, right = a.x_next[x] * kBlock;
        const V16 wx = Set1(a.x_weight[x]);
        const V16 a0 = Load(row + left), a1 = Load(next + left);
        const V16 top = Fma(Sub(Load(row + right), a0), wx, a0);
        const V16 bottom = Fma(Sub(Load(next + right), a1), wx, a1);
        Store(out + x * kBlock, Fma(Sub(bottom, top), wy, top));
      }
    }
  }
}

static void Resample(const ResampleArgs& a, const Span& span) {
  for (int64_t block = span.block_begin; block < span.block_end; ++block) {
    const Plane& in = a.in[block];
    for (int64_t y = span.y_begin; y < span.y_end; ++y) {
      float* out = a.out[block].data + y * a.out[block].row_stride;
      for (int64_t x = span.x_begin; x < span.x_end; ++x) {
        V16 sum = Set1(0.0f);
        for (int64_t ty = y * a.y_taps; ty < (y + 1) * a.y_taps; ++ty) {
          const float* row = in.data + a.y_index[ty] * in.row_stride;
          V16 line = Set1(0.0f);
          for (int64_t tx = x * a.x_taps; tx < (x + 1) * a.x_taps; ++tx)
            line = Fma(Load(row + a.x_index[tx] * kBlock), Set1(a.x_weight[tx]), line);
          sum = Fma(line, Set1(a.y_weight[ty]), sum);
        }
        Store(out + x * kBlock, sum);
      }
    }
  }
}
