// A network's last convolution, of one tap and few output channels, whose result the caller wants
// in one plane per channel. Vectors hold pixels here, not channels: lanes of output channels that
// do not exist would cost as much as those that do, and their blocks had to be taken apart. Inputs
// are turned in registers, so that every pixel's sum is the one that Conv makes, in its order.
#pragma once

#include "cpu/kernels/simd/activation.inc.h"
#include "cpu/kernels/simd/common.inc.h"

// kWidth pixels from (y, x) on, or the `count` that exist, times OUT output channels from `o` on.
template <int OUT, bool WHOLE>
static inline void PlanarPixels(const ConvArgs& a, int64_t o, int64_t y, int64_t x, int64_t count) {
  Register acc[OUT];
  PYENGINE_UNROLL for (int i = 0; i < OUT; ++i) acc[i] = SetRegister(a.bias[o + i]);
  const float* w = a.blocks[0].weights + o;
  for (int64_t c = 0; c < a.in_channels; c += kWidth, w += kWidth * kBlock) {
    const Plane& plane = a.in[c / kBlock];
    const float* in = plane.data + y * plane.row_stride + x * kBlock + c % kBlock;
    Register channels[kWidth];  // pixels, until they are turned
    PYENGINE_UNROLL for (int64_t p = 0; p < kWidth; ++p) channels[p] =
        WHOLE || p < count ? LoadRegister(in + p * kBlock) : SetRegister(0.0f);
    Transpose(channels);
    const int64_t left = a.in_channels - c;
    PYENGINE_UNROLL for (int64_t lane = 0; lane < kWidth; ++lane) if (lane < left)
        PYENGINE_UNROLL for (int i = 0; i < OUT; ++i) acc[i] =
            FmaRegister(channels[lane], BroadcastRegister(w + lane * kBlock + i), acc[i]);
  }
  const Register floor = Floor(a.activation.kind);
  PYENGINE_UNROLL for (int i = 0; i < OUT; ++i) {
    float* out = a.out[o + i].data + y * a.out[o + i].row_stride + x;
    const Register value = MaxRegister(floor, acc[i]);
    if (WHOLE) {
      StoreRegister(out, value);
      continue;
    }
    float values[kWidth];
    StoreRegister(values, value);
    for (int64_t p = 0; p < count; ++p) out[p] = values[p];
  }
}

template <int OUT>
static void PlanarRow(const ConvArgs& a, int64_t o, int64_t y, int64_t x, int64_t x_end) {
  for (; x + kWidth <= x_end; x += kWidth) PlanarPixels<OUT, true>(a, o, y, x, kWidth);
  if (x < x_end) PlanarPixels<OUT, false>(a, o, y, x, x_end - x);
}

// Activations that are more than a maximum, in place.
static void ActivatePlanarRow(const ConvArgs& a, int64_t o, int64_t y, int64_t x, int64_t x_end) {
  float slopes[kBlock];  // of one channel, for all pixels
  for (float& slope : slopes) slope = a.activation.slopes ? a.activation.slopes[o] : 0.0f;
  float* row = a.out[o].data + y * a.out[o].row_stride;
  for (; x < x_end; x += kBlock) {
    const int64_t count = Smaller(kBlock, x_end - x);
    float values[kBlock] = {};
    for (int64_t p = 0; p < count; ++p) values[p] = row[x + p];
    ActivateRow(a.activation, slopes, values, 1, kBlock);
    for (int64_t p = 0; p < count; ++p) row[x + p] = values[p];
  }
}

static void PlanarConv(const ConvArgs& a, const Span& span) {
  for (int64_t y = span.y_begin; y < span.y_end; ++y) {
    for (int64_t o = span.block_begin; o < span.block_end;) {
      const int64_t left = span.block_end - o;
      if (left >= 4)
        PlanarRow<4>(a, o, y, span.x_begin, span.x_end), o += 4;
      else if (left >= 2)
        PlanarRow<2>(a, o, y, span.x_begin, span.x_end), o += 2;
      else
        PlanarRow<1>(a, o, y, span.x_begin, span.x_end), o += 1;
    }
    if (!IsFloor(a.activation.kind))
      for (int64_t o = span.block_begin; o < span.block_end; ++o)
        ActivatePlanarRow(a, o, y, span.x_begin, span.x_end);
  }
}
