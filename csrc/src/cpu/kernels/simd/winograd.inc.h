// 3x3 convolutions of stride 1 by Winograd's minimal filtering: F(4x4, 3x3) needs 36 products per
// 4x4 outputs and channel pair instead of 144, F(6x6, 3x3) 64 per 6x6 instead of 324. Lavin and
// Gray, "Fast Algorithms for Convolutional Neural Networks", 2015, arXiv:1509.09308.
//
// What multiplies the matrices is a class of its own, and so is the
// layout that it reads: winograd_registers.inc.h, or tile registers in amx/. Such a class P has
//   kPlanes: input planes that it stores together; kBlocks: output blocks of one product;
//   kSliceBlocks: output blocks whose products are held at a time, a multiple of kBlocks;
//   Rows(patches): rows of a matrix M, at least as many as patches;
//   InputFloats(patches, in_channels): of V of one point; WeightFloats(in_channels): of one point
//   and output block; Input(v, patches, in_channels, patch, plane): where V has that patch's
//   channels from a plane on; Store(to, patches, values): a register of each of kPlanes planes,
//   there; Multiply<OB>(args, patches, i, v, u, m): M[patch][OB * 16] = V[patch][channel] x
//   U[channel][OB * 16] of the i-th slice that is read; of those after the first, added to M.
//
// Per task: some patches (4x4 or 6x6 outputs each) and some output blocks.
//   1. V[xi] = B^T d B of every patch's inputs, all channels (WinogradInput; tasks may share it);
//      then for each slice of output blocks (WinogradMultiply)
//   2. for each point xi one product of matrices, M[xi] = V[xi] x U[xi];
//   3. A^T M A, bias and activation into the output.
// Products leave the memory idle: meanwhile the outputs of 3 and the inputs of the next task are
// fetched. The weights stream past in one linear pass. A thin slice keeps M in the second-level
// cache but reads V once per slice: good for registers, which multiply slower than V comes. A
// patch's numbers never depend on its neighbours in the task: every grouping gives the same bits.
#pragma once

#include "cpu/kernels/simd/activation.inc.h"
#include "cpu/kernels/simd/common.inc.h"
#include "cpu/kernels/simd/winograd_transforms.inc.h"

// Where the first output of patch `t` lies.
struct PatchPlace {
  int64_t z, y, x;
};
static inline PatchPlace PlaceOf(const WinogradArgs& a, int64_t t) {
  const int64_t row = t / a.patch_columns;
  return {.z = row / a.patch_rows,
          .y = row % a.patch_rows * a.patch,
          .x = t % a.patch_columns * a.patch};
}

static inline int64_t InputPlanes(int64_t in_channels) {
  return (in_channels + kBlock - 1) / kBlock;
}

// Neighbouring patches of a row overlap by two columns: a strip of them transforms each column
// once.
constexpr int64_t kStripPatches = 6;

// B^T d of `count` columns from (y, x) on, one after the other. Inputs that do not exist are zeros:
// outputs that exist never meet them.
template <class F>
static inline void WinogradColumns(const WinogradArgs& a, const float* from, int64_t row_stride,
                                   int64_t y, int64_t x, int64_t count, Register* strip) {
  const int64_t rows = Smaller(F::kInputs, a.height + 2 - y);
  const int64_t columns = Smaller(count, a.width + 2 - x);
  Register d[F::kInputs];
  if (rows == F::kInputs) {
    for (int64_t c = 0; c < columns; ++c) {
      PYENGINE_UNROLL for (int r = 0; r < F::kInputs; ++r) d[r] =
          LoadRegister(from + r * row_stride + c * kBlock);
      F::Input(d, strip + c * F::kInputs);
    }
  } else {
    for (int64_t c = 0; c < columns; ++c) {
      for (int r = 0; r < F::kInputs; ++r)
        d[r] = r < rows ? LoadRegister(from + r * row_stride + c * kBlock) : SetRegister(0.0f);
      F::Input(d, strip + c * F::kInputs);
    }
  }
  for (int64_t i = columns * F::kInputs; i < count * F::kInputs; ++i) strip[i] = SetRegister(0.0f);
}

template <class F, class P>
static void WinogradInput(const WinogradArgs& a, const WinogradSpan& span, int64_t in_slice,
                          int64_t begin, int64_t end, float* v) {
  constexpr int64_t kStripColumns = kStripPatches * F::kPatch + 2;
  const int64_t planes = InputPlanes(a.in_channels);
  const int64_t patches = span.patch_end - span.patch_begin;
  const int64_t stride = PYENGINE_WINOGRAD_STRIDE(P::InputFloats(patches, a.in_channels));
  for (int64_t t = begin; t < end;) {
    const PatchPlace at = PlaceOf(a, span.patch_begin + t);
    const int64_t y = at.y, x = at.x, column = x / F::kPatch;
    const Plane* slice = a.in + (at.z * a.in_slices + in_slice) * planes;
    const int64_t count = Smaller(kStripPatches, Smaller(end - t, a.patch_columns - column));
    for (int64_t plane = 0; plane < planes; plane += P::kPlanes) {
      Register strip[P::kPlanes][kRegisters][kStripColumns * F::kInputs];  // [column][row of B^T d]
      for (int64_t p = 0; p < P::kPlanes; ++p) {
        // Planes beyond the last are zeros: all of their columns lie outside.
        const bool exists = plane + p < planes;
        const Plane& in = slice[exists ? plane + p : plane];
        for (int part = 0; part < kRegisters; ++part)
          WinogradColumns<F>(a, in.data + y * in.row_stride + x * kBlock + part * kWidth,
                             in.row_stride, y, exists ? x : a.width + 2, count * F::kPatch + 2,
                             strip[p][part]);
      }
      for (int64_t i = 0; i < count; ++i) {
        float* out = P::Input(v, patches, a.in_channels, t + i, plane);
        for (int64_t r = 0; r < F::kInputs; ++r) {
          // Parts in turn: a line of V is filled while it is in the first-level cache.
          PYENGINE_UNROLL for (int part = 0; part < kRegisters; ++part) {
            Register transformed[P::kPlanes][F::kInputs];
            PYENGINE_UNROLL for (int64_t p = 0; p < P::kPlanes; ++p) {
              const Register* columns = strip[p][part] + i * F::kPatch * F::kInputs;
              Register d[F::kInputs];
              PYENGINE_UNROLL for (int c = 0; c < F::kInputs; ++c) d[c] =
                  columns[c * F::kInputs + r];
              F::Input(d, transformed[p]);
            }
            PYENGINE_UNROLL for (int c = 0; c < F::kInputs; ++c) {
              Register values[P::kPlanes];
              PYENGINE_UNROLL for (int64_t p = 0; p < P::kPlanes; ++p) values[p] =
                  transformed[p][c];
              P::Store(out + part * kWidth + (r * F::kInputs + c) * stride, patches, values);
            }
          }
        }
      }
    }
    t += count;
  }
}

// The windows of one patch that begins at (y, x): maxima in the order in which Pool takes them.
static inline void PoolPatch(const WinogradArgs& a, int64_t block, int64_t y, int64_t x,
                             int64_t rows, int64_t columns) {
  const Plane &in = a.out[block], &out = a.pool.out[block];
  const int64_t i_begin = y < a.pool.y ? 0 : (y - a.pool.y) / 2;
  const int64_t j_begin = x < a.pool.x ? 0 : (x - a.pool.x) / 2;
  const int64_t i_end = Smaller(a.pool.height, (y + rows - a.pool.y) / 2);
  const int64_t j_end = Smaller(a.pool.width, (x + columns - a.pool.x) / 2);
  for (int64_t i = i_begin; i < i_end; ++i)
    for (int64_t j = j_begin; j < j_end; ++j) {
      const float* top = in.data + (a.pool.y + 2 * i) * in.row_stride + (a.pool.x + 2 * j) * kBlock;
      const float* bottom = top + in.row_stride;
      const V16 upper = Max(Load(top + kBlock), Load(top));
      Store(out.data + i * out.row_stride + j * kBlock,
            Max(Load(bottom + kBlock), Max(Load(bottom), upper)));
    }
}

template <class F, class P, int OB>
static void WinogradOutput(const WinogradArgs& a, const WinogradSpan& span, int64_t block,
                           const float* m) {
  const int64_t patches = span.patch_end - span.patch_begin;
  const int64_t stride = PYENGINE_WINOGRAD_STRIDE(P::Rows(patches) * OB * kBlock);
  const Register floor = Floor(a.activation.kind);
  for (int64_t t = 0; t < patches; ++t) {
    const auto [z, y, x] = PlaceOf(a, span.patch_begin + t);
    const bool last = t + 1 == patches;
    const PatchPlace after = last ? PatchPlace{} : PlaceOf(a, span.patch_begin + t + 1);
    const int64_t rows = Smaller(F::kPatch, a.height - y);
    const int64_t columns = Smaller(F::kPatch, a.width - x);
    for (int b = 0; b < OB; ++b) {
      const Plane& plane = a.out[z * a.out_blocks + block + b];
      float* out = plane.data + y * plane.row_stride + x * kBlock;
      if (!last) {
        const Plane& there = a.out[after.z * a.out_blocks + block + b];
        const float* next = there.data + after.y * there.row_stride + after.x * kBlock;
        for (int64_t r = 0; r < F::kPatch; ++r)
          for (int64_t c = 0; c < F::kPatch; ++c)
            PrefetchForStore(next + r * there.row_stride + c * kBlock);
      }
      const float* slopes = Slopes(a.activation, block + b);
      for (int part = 0; part < kRegisters; ++part) {
        const float* from = m + t * OB * kBlock + b * kBlock + part * kWidth;
        Register partial[F::kInputs][F::kPatch];  // [column][row of A^T m]
        for (int64_t c = 0; c < F::kInputs; ++c) {
          Register d[F::kInputs];
          PYENGINE_UNROLL for (int r = 0; r < F::kInputs; ++r) d[r] =
              LoadRegister(from + (r * F::kInputs + c) * stride);
          F::Output(d, partial[c]);
        }
        const Register bias = LoadRegister(a.bias + (block + b) * kBlock + part * kWidth);
        for (int64_t r = 0; r < rows; ++r) {
          Register d[F::kInputs], result[F::kPatch];
          PYENGINE_UNROLL for (int c = 0; c < F::kInputs; ++c) d[c] = partial[c][r];
          F::Output(d, result);
          float* row = out + r * plane.row_stride + part * kWidth;
          for (int64_t c = 0; c < columns; ++c)
            StoreRegister(row + c * kBlock, MaxRegister(floor, AddRegister(result[c], bias)));
        }
      }
      if (!IsFloor(a.activation.kind))
        for (int64_t r = 0; r < rows; ++r)
          ActivateRow(a.activation, slopes, out + r * plane.row_stride, columns, kBlock);
      if (a.pool.out) PoolPatch(a, block + b, y, x, rows, columns);
    }
  }
}

// At most so many floats are fetched ahead: they, V and M share the second-level cache.
constexpr int64_t kFetchedFloats = 48 * 1024;

// Fetches the outputs of patches [t, t_end) of a span. Always inline, as the next: GCC drops calls
// of a function that does nothing but prefetch.
template <class F>
PYENGINE_INLINE void FetchOutputs(const WinogradArgs& a, const WinogradSpan& span, int64_t block,
                                  int64_t block_end, int64_t t, int64_t t_end) {
  for (; t < t_end; ++t) {
    const auto [z, y, x] = PlaceOf(a, span.patch_begin + t);
    const int64_t rows = Smaller(F::kPatch, a.height - y);
    for (int64_t b = block; b < block_end; ++b) {
      const Plane& out = a.out[z * a.out_blocks + b];
      for (int64_t r = 0; r < rows; ++r)
        for (int64_t c = 0; c < F::kPatch; ++c)
          PrefetchForStore(out.data + (y + r) * out.row_stride + (x + c) * kBlock);
    }
  }
}

// Fetches inputs of the patches after a span, for pairs [i, i_end) of patch and input plane, of
// which each output slice reads `planes`. The
// first two rows are the last ones of the patches above, read not long ago.
template <class F>
PYENGINE_INLINE void FetchInputs(const WinogradArgs& a, const WinogradSpan& span, int64_t planes,
                                 int64_t i, int64_t i_end) {
  for (; i < i_end; ++i) {
    const PatchPlace at = PlaceOf(a, span.patch_end + i / planes);
    const int64_t y = at.y + 2, x = at.x + 2;
    const int64_t rows = Smaller(F::kPatch, a.height + 2 - y);
    const Plane& in = a.in[at.z * planes + i % planes];
    for (int64_t r = 0; r < rows; ++r)
      for (int64_t c = 0; c < F::kPatch; ++c)
        PYENGINE_PREFETCH_SECOND_LEVEL(in.data + (y + r) * in.row_stride + (x + c) * kBlock);
  }
}

template <class F, class P>
static void WinogradMultiply(const WinogradArgs& a, const WinogradSpan& span,
                             const float* transformed, float* m) {
  constexpr int64_t kPoints = F::kInputs * F::kInputs;
  const int64_t patches = span.patch_end - span.patch_begin;
  const int64_t v_stride = PYENGINE_WINOGRAD_STRIDE(P::InputFloats(patches, a.in_channels));
  // Steps: a point of a slice. Each fetches its share.
  const int64_t planes = InputPlanes(a.in_channels) * a.in_slices;
  const int64_t slices = (span.block_end - span.block_begin - 1) / P::kSliceBlocks + 1;
  int64_t pairs = (span.next_end - span.patch_end) * planes;
  if (pairs * F::kPatch * F::kPatch * kBlock > kFetchedFloats) pairs = 0;
  int64_t step = 0;

  const int64_t m_stride = PYENGINE_WINOGRAD_STRIDE(P::Rows(patches) * P::kBlocks * kBlock);
  const int64_t single_stride = PYENGINE_WINOGRAD_STRIDE(P::Rows(patches) * kBlock);
  for (int64_t begin = span.block_begin; begin < span.block_end;) {
    const int64_t slice = begin / P::kSliceBlocks * P::kSliceBlocks;
    const int64_t slice_blocks = Smaller(P::kSliceBlocks, a.out_blocks - slice);
    const int64_t end = Smaller(span.block_end, slice + slice_blocks);
    // As many blocks at a time as a product takes, an odd one by itself at the end.
    const int64_t groups = (end - begin) / P::kBlocks;
    const int64_t groups_end = begin + groups * P::kBlocks;
    float* single = m + groups * kPoints * m_stride;
    const int64_t out_floats = patches * (end - begin) * F::kPatch * F::kPatch * kBlock;
    const int64_t fetched_patches = out_floats <= kFetchedFloats ? patches : 0;
    for (int64_t xi = 0; xi < kPoints; ++xi, ++step) {
      FetchOutputs<F>(a, span, begin, end, fetched_patches * xi / kPoints,
                      fetched_patches * (xi + 1) / kPoints);
      FetchInputs<F>(a, span, planes, pairs * step / (slices * kPoints),
                     pairs * (step + 1) / (slices * kPoints));
      const float* v = transformed + xi * v_stride;
      const auto u = [&](int64_t block) {
        const int64_t before = slice * kPoints + xi * slice_blocks + block - slice;
        return a.weights + before * a.in_slices * P::WeightFloats(a.in_channels);
      };
      float* to = m + xi * m_stride;
      for (int64_t b = begin; b < groups_end; b += P::kBlocks, to += kPoints * m_stride)
        for (int64_t i = 0; i < a.in_slices; ++i)
          P::template Multiply<P::kBlocks>(a, patches, i, v + i * kPoints * v_stride, u(b), to);
      for (int64_t i = 0; i < a.in_slices && groups_end < end; ++i)
        P::template Multiply<1>(a, patches, i, v + i * kPoints * v_stride, u(groups_end),
                                single + xi * single_stride);
    }
    const float* from = m;
    for (int64_t b = begin; b < groups_end; b += P::kBlocks, from += kPoints * m_stride)
      WinogradOutput<F, P, P::kBlocks>(a, span, b, from);
    if (groups_end < end) WinogradOutput<F, P, 1>(a, span, groups_end, single);
    begin = end;
  }
}

template <class P>
static int64_t WinogradInputFloats(int64_t patch, int64_t patches, int64_t in_channels) {
  return PYENGINE_WINOGRAD_POINTS(patch) *
         PYENGINE_WINOGRAD_STRIDE(P::InputFloats(patches, in_channels));
}

template <class P>
static int64_t WinogradProductFloats(int64_t patch, int64_t patches, int64_t blocks) {
  const int64_t held = Smaller(P::kSliceBlocks, blocks);
  const int64_t groups = held / P::kBlocks;
  const int64_t rows = P::Rows(patches);
  int64_t floats = groups * PYENGINE_WINOGRAD_STRIDE(rows * P::kBlocks * kBlock);
  if (groups * P::kBlocks < held) floats += PYENGINE_WINOGRAD_STRIDE(rows * kBlock);
  return PYENGINE_WINOGRAD_POINTS(patch) * floats;
}
