// Operations that move data without arithmetic worth vectorising by hand.
#pragma once

#include <cstdint>

#include "cpu/kernels/kernels.h"
#include "graph/graph.h"

namespace pyengine {

// Copies `channels` channels between planes of `in_lanes` and `out_lanes` channels (16 or 1), rows
// [y_begin, y_end) x [0, width), to channels from `offset` on.
void CopyChannels(const Plane* in, int64_t in_lanes, const Plane* out, int64_t out_lanes,
                  int64_t channels, int64_t offset, int64_t width, int64_t y_begin, int64_t y_end);

// Mean of each lane of a block, whose slices `in` are, into pixel (0, 0) of `out`. Sums in double.
void GlobalAverage(const Plane* in, const Plane& out, const Axes& size);

// To a vector in (channel, z, y, x) order; each block's planes are its slices.
void Flatten(const Plane* in, const Plane* out, int64_t channels, const Axes& size);

// Rows [y_begin, y_end) of one block of 16 output channels, of `channels` in all, from the channels
// of an image `block_y` x `block_x` times as small: output pixel (y, x), counted on the whole image
// from (at_y, at_x), is pixel (y % block_y, x % block_x) of a block. `in` points at the input of
// output (at_y, at_x).
struct DepthToSpaceArgs {
  const Plane* in;
  Plane* out;
  int64_t block_y, block_x;
  int64_t at_y, at_x;  // of output (0, 0), within its block
  int64_t channels;
  bool blocks_first;
};
void DepthToSpaceRows(const DepthToSpaceArgs& args, int64_t out_block, int64_t width,
                      int64_t y_begin, int64_t y_end);

// The reverse: output pixel (y, x) gathers a block of the input, which begins at (y * block_y, x *
// block_x), into channels: input channel * pixels + pixel, or pixel * `in_channels` + channel.
struct SpaceToDepthArgs {
  const Plane* in;
  Plane* out;
  int64_t block_y, block_x;
  int64_t in_channels, channels;
  bool blocks_first;
};
void SpaceToDepthRows(const SpaceToDepthArgs& args, int64_t out_block, int64_t width,
                      int64_t y_begin, int64_t y_end);

// Rows [y_begin, y_end) of one block of output channels, which are the `channels` of the input.
void SelectRows(const Plane* in, const Plane& out, const int64_t* channels, int64_t count,
                int64_t width, int64_t y_begin, int64_t y_end);

// One pixel at every place of rows [y_begin, y_end).
void ExpandRows(const Plane& pixel, const Plane& out, int64_t width, int64_t y_begin,
                int64_t y_end);

// Fills the `border` around rows [y_begin, y_end) of the height x width pixels at `plane` (blocks
// of `lanes` channels): beside them, above row 0 and below the last row. What lies above row 0 is
// made of as many rows below it, which must be there.
void FillBorder(const Plane& plane, int64_t lanes, int64_t height, int64_t width,
                const Amounts& border, BorderMode mode, float value, int64_t y_begin,
                int64_t y_end);

}  // namespace pyengine
