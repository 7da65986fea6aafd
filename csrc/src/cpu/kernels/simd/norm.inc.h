// Moments of rows, and norms over the channels of a pixel.
#pragma once

#include "cpu/kernels/simd/activation.inc.h"

#ifdef PYENGINE_GNU_VECTORS

// Half a register of floats is a whole one of doubles.
constexpr int kDoubles = kWidth / 2;
using HalfRegister = float __attribute__((vector_size(kDoubles * sizeof(float))));
using DoubleRegister = double __attribute__((vector_size(kDoubles * sizeof(double))));

PYENGINE_INLINE DoubleRegister LoadDoubles(const float* p) {
  HalfRegister half;
  __builtin_memcpy(&half, p, sizeof(half));
  return __builtin_convertvector(half, DoubleRegister);
}
PYENGINE_INLINE void StoreDoubles(float* p, DoubleRegister v) {
  __builtin_memcpy(p, &v, sizeof(v));
}

#else

constexpr int kDoubles = 1;
using DoubleRegister = double;
struct TwoFloats {
  float first, second;
};

PYENGINE_INLINE DoubleRegister LoadDoubles(const float* p) {
  return *p;
}
PYENGINE_INLINE void StoreDoubles(float* p, DoubleRegister v) {
  const TwoFloats two = __builtin_bit_cast(TwoFloats, v);
  p[0] = two.first;
  p[1] = two.second;
}

#endif

constexpr int kDoubleParts = kBlock / kDoubles;

static void RowMoments(const RowMomentsArgs& a, const Span& span) {
  const auto pixels = static_cast<double>(span.x_end - span.x_begin);
  for (int64_t block = span.block_begin; block < span.block_end; ++block)
    for (int64_t y = span.y_begin; y < span.y_end; ++y) {
      const float* row = a.in[block].data + y * a.in[block].row_stride + span.x_begin * kBlock;
      float* out = a.out[block].data + y * a.out[block].row_stride;
      DoubleRegister first[kDoubleParts], sum[kDoubleParts], square[kDoubleParts];
      PYENGINE_UNROLL for (int p = 0; p < kDoubleParts; ++p) {
        first[p] = LoadDoubles(row + p * kDoubles);
        sum[p] = square[p] = DoubleRegister{};
      }
      for (int64_t x = span.x_begin; x < span.x_end; ++x, row += kBlock)
        PYENGINE_UNROLL for (int p = 0; p < kDoubleParts; ++p) {
          const DoubleRegister distance = LoadDoubles(row + p * kDoubles) - first[p];
          sum[p] += distance;
          square[p] += distance * distance;
        }
      PYENGINE_UNROLL for (int p = 0; p < kDoubleParts; ++p) {
        const DoubleRegister mean = sum[p] / pixels;
        const DoubleRegister centre = first[p] + mean, squares = square[p] - sum[p] * mean;
        StoreDoubles(out + p * 2 * kDoubles, centre);
        StoreDoubles(out + 2 * kBlock + p * 2 * kDoubles, squares);
      }
    }
}

// Of 16 lanes, in their order.
static inline double SumOfLanes(V16 x) {
  float lanes[kBlock];
  Store(lanes, x);
  double sum = 0;
  for (int lane = 0; lane < kBlock; ++lane) sum += static_cast<double>(lanes[lane]);
  return sum;
}

// The mean is rounded to float32 first; what that leaves over is measured with the variance.
static void LayerNorm(const LayerNormArgs& a, const Span& span) {
  const int64_t blocks = span.block_end;
  const auto channels = static_cast<double>(a.channels);
  const V16 zero = Set1(0.0f);
  const auto load = [&](int64_t block, int64_t y, int64_t x) {
    const Plane& plane = a.in[block];
    return Load(plane.data + y * plane.row_stride + x * kBlock);
  };
  const V16 live = LiveLanes(a.channels - (blocks - 1) * kBlock);
  for (int64_t y = span.y_begin; y < span.y_end; ++y)
    for (int64_t x = span.x_begin; x < span.x_end; ++x) {
      V16 centre = zero;
      if (a.subtract_mean) {
        V16 sum = zero;
        for (int64_t b = 0; b + 1 < blocks; ++b) sum = Add(sum, load(b, y, x));
        sum = Add(sum, SelectPositive(live, load(blocks - 1, y, x), zero));
        centre = Set1(static_cast<float>(SumOfLanes(sum) / channels));
      }
      V16 rest = zero, square = zero;
      for (int64_t b = 0; b < blocks; ++b) {
        V16 distance = Sub(load(b, y, x), centre);
        if (b + 1 == blocks) distance = SelectPositive(live, distance, zero);
        rest = Add(rest, distance);
        square = Fma(distance, distance, square);
      }
      const double left = a.subtract_mean ? SumOfLanes(rest) / channels : 0;
      const double variance = SumOfLanes(square) / channels - left * left;
      const double deviation = PYENGINE_SQRT((variance > 0 ? variance : 0) + a.epsilon);
      const V16 factor = Set1(static_cast<float>(1 / deviation));
      const V16 correction = Set1(static_cast<float>(left));
      for (int64_t b = 0; b < blocks; ++b) {
        V16 value = Mul(Sub(Sub(load(b, y, x), centre), correction), factor);
        if (a.scale) value = Mul(value, Load(a.scale + b * kBlock));
        if (a.shift) value = Add(value, Load(a.shift + b * kBlock));
        const Plane& plane = a.out[b];
        Store(plane.data + y * plane.row_stride + x * kBlock,
              Activate(a.activation, value, Slopes(a.activation, b)));
      }
    }
}
