// Softmax over the channels of a pixel.
#pragma once

#include "cpu/kernels/simd/common.inc.h"
#include "cpu/kernels/simd/elementary.inc.h"

// Channels of one pixel lie in lanes and planes; the lanes past the last channel stay untouched.
static void Softmax(const SoftmaxArgs& a, const Span& span) {
  const int64_t blocks = (a.channels + kBlock - 1) / kBlock;
  for (int64_t y = span.y_begin; y < span.y_end; ++y)
    for (int64_t x = span.x_begin; x < span.x_end; ++x) {
      float highest = -PYENGINE_INFINITY;
      for (int64_t c = 0; c < a.channels; ++c) {
        const Plane& in = a.in[c / kBlock];
        const float value = in.data[y * in.row_stride + x * kBlock + c % kBlock];
        highest = value > highest ? value : highest;
      }
      float sum = 0;
      for (int64_t b = 0; b < blocks; ++b) {
        const Plane &in = a.in[b], &plane = a.out[b];
        float* out = plane.data + y * plane.row_stride + x * kBlock;
        Store(out, Exp(Sub(Load(in.data + y * in.row_stride + x * kBlock), Set1(highest))));
        const int64_t lanes = Smaller(kBlock, a.channels - b * kBlock);
        for (int64_t lane = 0; lane < lanes; ++lane) sum += out[lane];
      }
      for (int64_t b = 0; b < blocks; ++b) {
        float* out = a.out[b].data + y * a.out[b].row_stride + x * kBlock;
        Store(out, Div(Load(out), Set1(sum)));
      }
    }
}
