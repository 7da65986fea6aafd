// The contracts between the CPU executor and its kernels. Plain data only: this header is compiled
// into translation units with different instruction sets, so it must not hold a single function.
//
// Layout NCHW16c: channels in blocks of 16, one plane of [y][x][16] floats per block. Lanes beyond
// the last channel hold finite numbers of no meaning. A Plane borrows memory and points at index
// (0, 0) of the region that an operation works on, so that cropping and padding are pointer
// arithmetic. Every kernel computes each output value by one fixed sequence of roundings, whatever
// the position, the range or the neighbours: this is what makes tiles bitwise exact.
#pragma once

#include <stdint.h>

#include "core/compiler.h"
#include "graph/activation_kind.h"

namespace pyengine {

constexpr int kBlock = 16;  // channels per plane

// Outputs per side of Winograd's F(4x4, 3x3) and F(6x6, 3x3); inputs are two more.
constexpr int64_t kWinogradPatch = 4;
constexpr int64_t kFastWinogradPatch = 6;
#define PYENGINE_WINOGRAD_POINTS(patch) (((patch) + 2) * ((patch) + 2))
// The matrices of a task, one per point, lie an odd number of cache lines apart: at multiples of 4
// KB they would compete for the same few lines of the first-level cache.
#define PYENGINE_WINOGRAD_STRIDE(floats) (((floats) / 16 | 1) * 16)

struct Plane {
  float* data;         // index (0, 0), lane 0
  int64_t row_stride;  // [floats]
};

// Part of an operation's output: blocks x rows x columns. Kernels write nothing outside it.
struct Span {
  int64_t block_begin, block_end;
  int64_t y_begin, y_end;
  int64_t x_begin, x_end;
};

using Activation = ActivationKind;

struct ActivationArgs {
  Activation kind;
  float alpha, beta;
  const float* slopes;  // PReLU: one per output channel, padded to blocks
};

// The input planes of one output block, and the weights that go with them.
struct ConvBlock {
  // [input plane][ky][kx][lane of that plane][16 output channels]; of volumes, an input plane is a
  // slice of a block of channels, and those of one block follow each other.
  const float* weights;
  int64_t plane_begin, plane_count;
};

// out[o][y][x] = act(bias[o] + sum in[i][y * sy + ky * dy][x * sx + kx * dx] * w[o][i][ky][kx]),
// summed in the order of the weights by multiply-adds that start from the bias. These are fused in
// all tables but the portable one.
struct ConvArgs {
  const Plane* in;
  Plane* out;
  const ConvBlock* blocks;  // one per output block
  const float* bias;        // padded to blocks
  ActivationArgs activation;
  int64_t in_channels;       // the last planes hold only the remaining ones
  int64_t in_slices = 1;     // planes of each block of input channels
  int64_t in_lanes;          // channels per input plane: 16, or 1 for planar input
  int64_t in_pixel_stride;   // [floats] 16, or 1 for planar input
  int64_t out_pixel_stride;  // [floats] 16, or 16 * s for one phase of a transposed convolution
  int64_t kernel_y, kernel_x, stride_y, stride_x, dilation_y, dilation_x;
};

// Maxima of 2x2 outputs, taken while a patch's outputs are in cache. Window (i, j) begins at output
// (y + 2 * i, x + 2 * j), both even: no window lies in two patches.
struct WinogradPool {
  Plane* out;             // null: none
  int64_t y, x;           // of window (0, 0)
  int64_t height, width;  // windows
};

// The same sum for 3x3 kernels of stride 1, by Winograd on a grid of patches. The input planes
// point at the first input of the first patch, the output planes at its first output. Outputs of
// one patch round together: equal results need the grid at equal places. Of volumes, planes lie in
// the order [output slice][slice that it reads][block of channels], and [output slice][block].
struct WinogradArgs {
  const Plane* in;
  Plane* out;
  int64_t patch;  // outputs per side: kWinogradPatch or kFastWinogradPatch
  // [slice of output blocks][point][block of the slice][slice that is read], each as
  // WinogradKernels::pack wrote it.
  const float* weights;
  const float* bias;
  ActivationArgs activation;
  int64_t in_channels;
  int64_t out_blocks;              // of the whole convolution
  int64_t in_slices = 1;           // that an output slice reads
  int64_t patch_rows = INT64_MAX;  // rows of patches per slice
  int64_t patch_columns;           // patches per row of patches
  int64_t height, width;           // outputs to write; inputs exist for (height + 2) x (width + 2)
  WinogradPool pool;
};

// Patches, counted row by row, times output blocks. Patches from patch_end to next_end are a hint:
// their inputs are there, and most likely wanted next on the same core.
struct WinogradSpan {
  int64_t patch_begin, patch_end;
  int64_t block_begin, block_end;
  int64_t next_end;
};

// Winograd with one way of multiplying matrices, which has layouts of its own. Weights of one point
// and output block take `weight_floats`.
struct WinogradKernels {
  // Inputs of a span's patches [begin, end), counted from its first, into `v`: `v_floats` for each
  // slice that is read.
  void (*transform)(const WinogradArgs&, const WinogradSpan&, int64_t begin, int64_t end, float* v);
  // Outputs of a span from the transformed inputs of all its patches; `m` is scratch.
  void (*multiply)(const WinogradArgs&, const WinogradSpan&, const float* v, float* m);
  int64_t (*v_floats)(int64_t patch, int64_t patches, int64_t in_channels);
  int64_t (*m_floats)(int64_t patch, int64_t patches, int64_t blocks);
  int64_t (*weight_floats)(int64_t in_channels);
  // From [in_channels][16] to the order in which `multiply` reads them.
  void (*pack)(const float* weights, int64_t in_channels, float* packed);
  int64_t slice_blocks;  // output blocks per slice of the weights; the last slice may have fewer
  int64_t fast_patch;    // outputs per side of patches where more rounding is allowed
  bool matrix_unit;      // multiplies so fast that bringing weights takes longer
};

// One input channel per output channel. weights: [block][kz][ky][kx][16].
struct DepthwiseArgs {
  const Plane* in;
  Plane* out;
  const float* weights;
  const float* bias;
  ActivationArgs activation;
  int64_t kernel_z = 1;  // slices of each block, which follow each other
  int64_t kernel_y, kernel_x, stride_y, stride_x, dilation_y, dilation_x;
};

// Of one axis: taps outside [valid_begin, valid_end), counted from tap 0 of output 0, are skipped.
// A mean divides by the number of taps inside [counted_begin, counted_end).
struct PoolAxis {
  int64_t kernel, stride, dilation;
  int64_t valid_begin, valid_end;
  int64_t counted_begin, counted_end;
};

// Maximum or mean over windows. The input planes point at tap 0 of output 0; each block has as many
// as the kernel has slices, for output slice `slice`.
struct PoolArgs {
  const Plane* in;
  Plane* out;
  bool maximum;
  int64_t slice = 0;
  PoolAxis z = {.kernel = 1,
                .stride = 1,
                .dilation = 1,
                .valid_begin = 0,
                .valid_end = 1,
                .counted_begin = 0,
                .counted_end = 1};
  PoolAxis y, x;
};

// Two taps per axis, weights by table: out = (a * (1 - wx) + b * wx) mixed along y alike.
// index[i] is the first tap's input index of output i, next[i] the second's. Each block has one
// plane, or two slices that are mixed last.
struct UpsampleArgs {
  const Plane* in;
  Plane* out;
  int64_t z_taps = 1;
  float z_weight = 0;  // of the second slice
  const int64_t *y_index, *y_next, *x_index, *x_next;
  const float *y_weight, *x_weight;  // of the second tap; null: nearest, first tap only
};

// As many taps per axis as the tables say: out = sum_y wy * (sum_x wx * in), summed in order by
// multiply-adds from 0. The taps of output i begin at i * taps. Of volumes, each block has `z_taps`
// slices, whose results are summed likewise.
struct ResampleArgs {
  const Plane* in;
  Plane* out;
  int64_t z_taps = 1;
  int64_t y_taps, x_taps;
  const int64_t *y_index, *x_index;
  const float* z_weight = nullptr;  // `z_taps`, where there are several
  const float *y_weight, *x_weight;
};

using Binary = BinaryKind;

// out = act(a op b); sums and products alone take an activation. An operand may be one pixel wide
// (pixel and row stride 0) or have one channel for all lanes and blocks (broadcast).
struct BinaryArgs {
  const Plane *a, *b;
  Plane* out;
  int64_t a_pixel_stride, b_pixel_stride;  // [floats] 16 or 0
  bool a_broadcast, b_broadcast;
  int64_t channels;  // lanes beyond them are 0 after a division
  Binary op;
  ActivationArgs activation;
};

// out = act(in * scale + shift), per channel; null scale: activation alone.
struct AffineArgs {
  const Plane* in;
  Plane* out;
  const float *scale, *shift;
  ActivationArgs activation;
};

// Softmax over all channels at each pixel. `span` covers all blocks.
struct SoftmaxArgs {
  const Plane* in;
  Plane* out;
  int64_t channels;
};

// Of each row and lane, mean and sum of squared distances from it: 16 doubles of each, one after
// the other, in the row of the output plane. Double throughout, in the order of the pixels, from
// the row's first pixel: nothing cancels, and all tables give the same bits.
struct RowMomentsArgs {
  const Plane* in;
  Plane* out;
};

// Each pixel's channels less their mean (or not) and over the root of their mean square distance
// from it (or from 0) plus epsilon; times scale, plus shift, where they are given. `span` covers
// all blocks.
struct LayerNormArgs {
  const Plane* in;
  Plane* out;
  const float *scale, *shift;  // padded to blocks, or null
  int64_t channels;
  double epsilon;
  bool subtract_mean;
  ActivationArgs activation;
};

// The functions of one instruction set.
struct KernelTable {
  const char* isa;  // its name, as users give it
  void (*conv)(const ConvArgs&, const Span&);
  // The same sums for one tap and stride 1 from blocks of 16 channels, into planes of one channel
  // each: `out` holds one per output channel, of at most 16, and the span's blocks are channels.
  // Null: not in this table.
  void (*planar_conv)(const ConvArgs&, const Span&);
  const WinogradKernels* winograd;  // null: not in this table
  void (*depthwise)(const DepthwiseArgs&, const Span&);
  void (*pool)(const PoolArgs&, const Span&);
  void (*upsample)(const UpsampleArgs&, const Span&);
  void (*resample)(const ResampleArgs&, const Span&);
  void (*binary)(const BinaryArgs&, const Span&);
  void (*affine)(const AffineArgs&, const Span&);
  void (*softmax)(const SoftmaxArgs&, const Span&);
  void (*row_moments)(const RowMomentsArgs&, const Span&);
  void (*layer_norm)(const LayerNormArgs&, const Span&);
};

extern const KernelTable kReferenceKernels;
extern const KernelTable kPortableKernels;
extern const KernelTable kFusedKernels;
extern const KernelTable kAvx2Kernels;
extern const KernelTable kAvx512Kernels;
extern const KernelTable kNeonKernels;
// Rounds more than float32: for Accuracy::kFast, beside AVX-512's other kernels. The process needs
// the operating system's permission for tile registers.
extern const WinogradKernels kAmxWinograd;

}  // namespace pyengine
