// Convolution by direct sums.
#pragma once

#include "cpu/kernels/simd/activation.inc.h"
#include "cpu/kernels/simd/common.inc.h"
#include "cpu/kernels/simd/micro_kernel.inc.h"

// Weights of one chunk of input planes stay in the first-level cache while the pixels of a cache
// block pass: about 18 KiB per output block. Cache blocks keep inputs and sums in the second level.
constexpr int64_t kChunkFloats = 18 * 1024 / 4;
constexpr int64_t kCacheBlockColumns = 96;
constexpr int64_t kCacheBlockPixels = 1024;
// Of one tap (1x1, a phase of a transposed convolution): inputs are read once per output block, so
// that they must stay in the second level while all blocks' weights pass.
constexpr int64_t kOneTapPixels = 96;

struct ConvStep {
  const float* weights[2];  // of the chunk's first plane, per output block
  int64_t block;            // first output block
  int64_t plane_begin, plane_end;
  bool first, last;  // chunk of the sum
  int64_t full_planes,
      last_lanes;  // planes before `full_planes` hold all lanes, the others so many
};

// One register block: PX pixels of a row times OB output blocks. PS is the distance of neighbouring
// input pixels in floats where the compiler may know it, else 0. Sums are kept as single registers:
// compilers leave arrays of multi-register structures on the stack.
template <int PX, int OB, int PS>
static inline void ConvRegisterBlock(const ConvArgs& a, const ConvStep& step, int64_t y,
                                     int64_t x) {
  constexpr int kParts = OB * kRegisters;  // registers per pixel
  const int64_t pixel = PS ? PS : a.in_pixel_stride * a.stride_x;
  Register acc[PX][kParts];
  float* out[kParts];
  const float* w[OB];
  PYENGINE_UNROLL for (int r = 0; r < kParts; ++r) {
    const Plane& plane = a.out[step.block + r / kRegisters];
    out[r] = plane.data + y * plane.row_stride + x * a.out_pixel_stride + r % kRegisters * kWidth;
    const Register bias = LoadRegister(a.bias + step.block * kBlock + r * kWidth);
    PYENGINE_UNROLL for (int p = 0; p < PX; ++p) acc[p][r] =
        step.first ? bias : LoadRegister(out[r] + p * a.out_pixel_stride);
  }
  PYENGINE_UNROLL for (int b = 0; b < OB; ++b) {
    w[b] = step.weights[b];
    PYENGINE_UNROLL for (int p = 0; p < PX; ++p)
        PrefetchForStore(out[b * kRegisters] + (PX + p) * a.out_pixel_stride);
  }
  for (int64_t plane = step.plane_begin; plane < step.plane_end; ++plane) {
    // Neighbours one float apart are planar input: one lane, known here, saves a loop per tap.
    const int64_t lanes = PS == 1 ? 1 : plane < step.full_planes ? a.in_lanes : step.last_lanes;
    const int64_t row_stride = a.in[plane].row_stride;
    const float* corner =
        a.in[plane].data + y * a.stride_y * row_stride + x * a.stride_x * a.in_pixel_stride;
    for (int64_t ky = 0; ky < a.kernel_y; ++ky) {
      for (int64_t kx = 0; kx < a.kernel_x; ++kx) {
        const float* in =
            corner + ky * a.dilation_y * row_stride + kx * a.dilation_x * a.in_pixel_stride;
        MultiplyLanes<PX, OB>(in, pixel, lanes, w, acc);
        PYENGINE_UNROLL for (int b = 0; b < OB; ++b) w[b] += lanes * kBlock;
      }
    }
  }
  const Register floor = Floor(step.last ? a.activation.kind : Activation::kNone);
  PYENGINE_UNROLL for (int r = 0; r < kParts; ++r) PYENGINE_UNROLL for (int p = 0; p < PX; ++p)
      StoreRegister(out[r] + p * a.out_pixel_stride, MaxRegister(floor, acc[p][r]));
  if (!step.last || IsFloor(a.activation.kind)) return;
  for (int b = 0; b < OB; ++b)
    ActivateRow(a.activation, Slopes(a.activation, step.block + b), out[b * kRegisters], PX,
                a.out_pixel_stride);
}

template <int OB, int PS>
static void ConvRow(const ConvArgs& a, const ConvStep& step, int64_t y, int64_t x, int64_t x_end) {
  for (; x + kMicroPixels <= x_end; x += kMicroPixels)
    ConvRegisterBlock<kMicroPixels, OB, PS>(a, step, y, x);
  if (kMicroPixels > 8 && x + 8 <= x_end) ConvRegisterBlock<8, OB, PS>(a, step, y, x), x += 8;
  if (x + 4 <= x_end) ConvRegisterBlock<4, OB, PS>(a, step, y, x), x += 4;
  if (x + 2 <= x_end) ConvRegisterBlock<2, OB, PS>(a, step, y, x), x += 2;
  if (x < x_end) ConvRegisterBlock<1, OB, PS>(a, step, y, x);
}

template <int OB>
static void ConvRowAnyStride(const ConvArgs& a, const ConvStep& step, int64_t y, int64_t x,
                             int64_t x_end) {
  const int64_t pixel = a.in_pixel_stride * a.stride_x;
  if (pixel == kBlock)
    ConvRow<OB, kBlock>(a, step, y, x, x_end);
  else if (pixel == 1)
    ConvRow<OB, 1>(a, step, y, x, x_end);
  else
    ConvRow<OB, 0>(a, step, y, x, x_end);
}

static void ConvCacheBlock(const ConvArgs& a, int64_t block, int blocks, const Span& part) {
  const ConvBlock& conv = a.blocks[block];
  const int64_t plane_floats = a.in_lanes * a.kernel_y * a.kernel_x * kBlock;
  int64_t chunk = plane_floats ? kChunkFloats / plane_floats : conv.plane_count;
  if (chunk < 1) chunk = 1;
  const int64_t end = conv.plane_begin + conv.plane_count;
  int64_t plane = conv.plane_begin;
  do {  // at least once: a phase of a transposed convolution may have no taps, only the bias
    ConvStep step;
    step.block = block;
    step.full_planes = a.in_channels / a.in_lanes * a.in_slices;
    step.last_lanes = a.in_channels % a.in_lanes;
    step.plane_begin = plane;
    step.plane_end = Smaller(end, plane + chunk);
    step.first = plane == conv.plane_begin;
    step.last = step.plane_end == end;
    // Several slices of a last plane that holds fewer lanes may lie in another chunk.
    const int64_t full_before =
        Smaller(plane, step.full_planes) - Smaller(conv.plane_begin, step.full_planes);
    const int64_t partial_before = plane - conv.plane_begin - full_before;
    const int64_t floats_before = full_before * plane_floats + partial_before * step.last_lanes *
                                                                   a.kernel_y * a.kernel_x * kBlock;
    for (int b = 0; b < blocks; ++b) step.weights[b] = a.blocks[block + b].weights + floats_before;
    for (int64_t y = part.y_begin; y < part.y_end; ++y) {
      if (blocks == 2)
        ConvRowAnyStride<kMicroBlocks>(a, step, y, part.x_begin, part.x_end);
      else
        ConvRowAnyStride<1>(a, step, y, part.x_begin, part.x_end);
    }
    plane = step.plane_end;
  } while (plane < end);
}

static void Conv(const ConvArgs& a, const Span& span) {
  const int64_t width = span.x_end - span.x_begin;
  const int64_t columns = Smaller(width, kCacheBlockColumns);
  const int64_t pixels = a.kernel_y * a.kernel_x == 1 ? kOneTapPixels : kCacheBlockPixels;
  int64_t rows = pixels / (columns > 0 ? columns : 1);
  if (rows < 1) rows = 1;
  for (int64_t y = span.y_begin; y < span.y_end; y += rows) {
    for (int64_t x = span.x_begin; x < span.x_end; x += columns) {
      Span part = span;
      part.y_begin = y, part.y_end = Smaller(y + rows, span.y_end);
      part.x_begin = x, part.x_end = Smaller(x + columns, span.x_end);
      int64_t block = span.block_begin;
      while (block < span.block_end) {
        const bool pair = kMicroBlocks == 2 && block + 2 <= span.block_end &&
                          a.blocks[block].plane_begin == a.blocks[block + 1].plane_begin &&
                          a.blocks[block].plane_count == a.blocks[block + 1].plane_count;
        ConvCacheBlock(a, block, pair ? 2 : 1, part);
        block += pair ? 2 : 1;
      }
    }
  }
}
