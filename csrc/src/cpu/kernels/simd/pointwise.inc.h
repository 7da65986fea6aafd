// Operators that take each number by itself.
#pragma once

#include "cpu/kernels/simd/activation.inc.h"

static void BinaryOp(const BinaryArgs& a, const Span& span) {
  for (int64_t block = span.block_begin; block < span.block_end; ++block) {
    const Plane& pa = a.a[a.a_broadcast ? 0 : block];
    const Plane& pb = a.b[a.b_broadcast ? 0 : block];
    const float* slopes = Slopes(a.activation, block);
    for (int64_t y = span.y_begin; y < span.y_end; ++y) {
      const float* ra = pa.data + y * pa.row_stride;
      const float* rb = pb.data + y * pb.row_stride;
      float* out = a.out[block].data + y * a.out[block].row_stride;
      for (int64_t x = span.x_begin; x < span.x_end; ++x) {
        const float* va = ra + x * a.a_pixel_stride;
        const float* vb = rb + x * a.b_pixel_stride;
        const V16 left = a.a_broadcast ? Set1(*va) : Load(va);
        const V16 right = a.b_broadcast ? Set1(*vb) : Load(vb);
        const V16 result = a.op == Binary::kAdd ? Add(left, right) : Mul(left, right);
        Store(out + x * kBlock, Activate(a.activation, result, slopes));
      }
    }
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
