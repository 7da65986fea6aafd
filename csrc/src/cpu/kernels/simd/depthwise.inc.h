// Convolution of one input channel per output channel.
#pragma once

#include "cpu/kernels/simd/activation.inc.h"

template <int PX>
static inline void DepthwiseRegisterBlock(const DepthwiseArgs& a, int64_t block, int64_t y,
                                          int64_t x) {
  const float* w = a.weights + block * a.kernel_z * a.kernel_y * a.kernel_x * kBlock;
  V16 acc[PX];
  for (int p = 0; p < PX; ++p) acc[p] = Load(a.bias + block * kBlock);
  for (int64_t kz = 0; kz < a.kernel_z; ++kz) {
    const Plane& in = a.in[block * a.kernel_z + kz];
    for (int64_t ky = 0; ky < a.kernel_y; ++ky)
      for (int64_t kx = 0; kx < a.kernel_x; ++kx, w += kBlock) {
        const float* pixel = in.data + (y * a.stride_y + ky * a.dilation_y) * in.row_stride +
                             (x * a.stride_x + kx * a.dilation_x) * kBlock;
        const V16 weight = Load(w);
        for (int p = 0; p < PX; ++p)
          acc[p] = Fma(Load(pixel + p * a.stride_x * kBlock), weight, acc[p]);
      }
  }
  float* out = a.out[block].data + y * a.out[block].row_stride + x * kBlock;
  for (int p = 0; p < PX; ++p)
    Store(out + p * kBlock, Activate(a.activation, acc[p], Slopes(a.activation, block)));
}

static void Depthwise(const DepthwiseArgs& a, const Span& span) {
  for (int64_t block = span.block_begin; block < span.block_end; ++block)
    for (int64_t y = span.y_begin; y < span.y_end; ++y) {
      int64_t x = span.x_begin;
      for (; x + 4 <= span.x_end; x += 4) DepthwiseRegisterBlock<4>(a, block, y, x);
      for (; x < span.x_end; ++x) DepthwiseRegisterBlock<1>(a, block, y, x);
    }
}
