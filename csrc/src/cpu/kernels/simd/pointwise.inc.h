// Operators that take each number by itself.
#pragma once

#include "cpu/kernels/simd/activation.inc.h"

// `result(left, right, block)` of every pixel.
template <class F>
PYENGINE_INLINE void BinaryLoop(const BinaryArgs& a, const Span& span, F&& result) {
  for (int64_t block = span.block_begin; block < span.block_end; ++block) {
    const Plane& pa = a.a[a.a_broadcast ? 0 : block];
    const Plane& pb = a.b[a.b_broadcast ? 0 : block];
    for (int64_t y = span.y_begin; y < span.y_end; ++y) {
      const float* ra = pa.data + y * pa.row_stride;
      const float* rb = pb.data + y * pb.row_stride;
      float* out = a.out[block].data + y * a.out[block].row_stride;
      for (int64_t x = span.x_begin; x < span.x_end; ++x) {
        const float* va = ra + x * a.a_pixel_stride;
        const float* vb = rb + x * a.b_pixel_stride;
        const V16 left = a.a_broadcast ? Set1(*va) : Load(va);
        const V16 right = a.b_broadcast ? Set1(*vb) : Load(vb);
        Store(out + x * kBlock, result(left, right, block));
      }
    }
  }
}

// Sums and products, which networks are full of, take an activation.
static void ActivatedBinary(const BinaryArgs& a, const Span& span) {
  BinaryLoop(a, span, [&](V16 left, V16 right, int64_t block) {
    const V16 result = a.op == Binary::kAdd ? Add(left, right) : Mul(left, right);
    return Activate(a.activation, result, Slopes(a.activation, block));
  });
}

// 1 where a < b, else 0. Subnormal differences are kept, so that unequal numbers differ.
PYENGINE_INLINE V16 Less(V16 a, V16 b) {
  return SelectPositive(Sub(b, a), Set1(1.0f), Set1(0.0f));
}
PYENGINE_INLINE V16 Not(V16 truth) {
  return Sub(Set1(1.0f), truth);
}

static void BinaryOp(const BinaryArgs& a, const Span& span) {
  switch (a.op) {
    case Binary::kAdd:
    case Binary::kMul:
      return ActivatedBinary(a, span);
    case Binary::kSub:
      return BinaryLoop(a, span, [](V16 left, V16 right, int64_t) { return Sub(left, right); });
    case Binary::kDiv:
      return BinaryLoop(a, span, [&](V16 left, V16 right, int64_t block) {
        const V16 live = LiveLanes(a.channels - block * kBlock);
        return SelectPositive(live, Div(left, right), Set1(0.0f));
      });
    case Binary::kMax:
      return BinaryLoop(a, span, [](V16 left, V16 right, int64_t) { return Max(left, right); });
    case Binary::kMin:
      return BinaryLoop(a, span, [](V16 left, V16 right, int64_t) { return Min(left, right); });
    case Binary::kLess:
      return BinaryLoop(a, span, [](V16 left, V16 right, int64_t) { return Less(left, right); });
    case Binary::kLessEqual:
      return BinaryLoop(a, span,
                        [](V16 left, V16 right, int64_t) { return Not(Less(right, left)); });
    case Binary::kGreater:
      return BinaryLoop(a, span, [](V16 left, V16 right, int64_t) { return Less(right, left); });
    case Binary::kGreaterEqual:
      return BinaryLoop(a, span,
                        [](V16 left, V16 right, int64_t) { return Not(Less(left, right)); });
    case Binary::kEqual:
      return BinaryLoop(a, span, [](V16 left, V16 right, int64_t) {
        return Not(Add(Less(left, right), Less(right, left)));
      });
  }
}

static void Affine(const AffineArgs& a, const Span& span) {
  for (int64_t block = span.block_begin; block < span.block_end; ++block) {
    const float* slopes = Slopes(a.activation, block);
    const V16 scale = a.scale ? Load(a.scale + block * kBlock) : Set1(1.0f);
    const V16 shift = a.scale ? Load(a.shift + block * kBlock) : Set1(0.0f);
    for (int64_t y = span.y_begin; y < span.y_end; ++y) {
      const float* in = a.in[block].data + y * a.in[block].row_stride;
      float* out = a.out[block].data + y * a.out[block].row_stride;
      for (int64_t x = span.x_begin; x < span.x_end; ++x) {
        V16 value = Load(in + x * kBlock);
        if (a.scale) value = Fma(value, scale, shift);
        Store(out + x * kBlock, Activate(a.activation, value, slopes));
      }
    }
  }
}
