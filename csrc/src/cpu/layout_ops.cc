#include "cpu/layout_ops.h"

#include <algorithm>
#include <cstring>

#include "core/checked_math.h"

namespace pyengine {

void CopyChannels(const Plane* in, int64_t in_lanes, const Plane* out, int64_t out_lanes,
                  int64_t channels, int64_t offset, int64_t width, int64_t y_begin, int64_t y_end) {
  // Whole planes move as they are where the layouts agree.
  const bool planes = in_lanes == out_lanes && offset % out_lanes == 0;
  for (int64_t c = 0; c < channels; c += planes ? in_lanes : 1) {
    const Plane& from = in[c / in_lanes];
    const Plane& to = out[(c + offset) / out_lanes];
    for (int64_t y = y_begin; y < y_end; ++y) {
      const float* a = from.data + y * from.row_stride + c % in_lanes;
      float* b = to.data + y * to.row_stride + (c + offset) % out_lanes;
      if (planes) {
        std::memcpy(b, a, static_cast<size_t>(width * in_lanes) * sizeof(float));
        continue;
      }
      for (int64_t x = 0; x < width; ++x) b[x * out_lanes] = a[x * in_lanes];
    }
  }
}

void GlobalAverage(const Plane* in, const Plane& out, const Axes& size) {
  double sums[kBlock] = {0};
  for (int64_t z = 0; z < size.z; ++z)
    for (int64_t y = 0; y < size.y; ++y) {
      const float* row = in[z].data + y * in[z].row_stride;
      for (int64_t x = 0; x < size.x; ++x)
        for (int lane = 0; lane < kBlock; ++lane) sums[lane] += row[x * kBlock + lane];
    }
  for (int lane = 0; lane < kBlock; ++lane)
    out.data[lane] = static_cast<float>(sums[lane] / double(Product(size)));
}

void Flatten(const Plane* in, const Plane* out, int64_t channels, const Axes& size) {
  int64_t i = 0;
  for (int64_t c = 0; c < channels; ++c)
    for (int64_t z = 0; z < size.z; ++z) {
      const Plane& plane = in[c / kBlock * size.z + z];
      for (int64_t y = 0; y < size.y; ++y)
        for (int64_t x = 0; x < size.x; ++x, ++i)
          out[i / kBlock].data[i % kBlock] =
              plane.data[y * plane.row_stride + x * kBlock + c % kBlock];
    }
}

void DepthToSpaceRows(const DepthToSpaceArgs& args, int64_t out_block, int64_t width,
                      int64_t y_begin, int64_t y_end) {
  const Plane& out = args.out[out_block];
  const int64_t first = out_block * kBlock;
  const int64_t lanes = std::min<int64_t>(kBlock, args.channels - first);
  const int64_t block = args.block_y * args.block_x;
  for (int64_t y = y_begin; y < y_end; ++y) {
    const int64_t row = (args.at_y + y) / args.block_y, pixel_y = (args.at_y + y) % args.block_y;
    for (int64_t pixel_x = 0; pixel_x < args.block_x; ++pixel_x) {
      const int64_t pixel = pixel_y * args.block_x + pixel_x;
      for (int64_t lane = 0; lane < kBlock; ++lane) {
        // Lanes beyond the last channel repeat it: they must hold numbers.
        const int64_t c = first + std::min(lane, lanes - 1);
        const int64_t channel = args.blocks_first ? pixel * args.channels + c : c * block + pixel;
        const Plane& in = args.in[channel / kBlock];
        const float* from = in.data + row * in.row_stride + channel % kBlock;
        float* to = out.data + y * out.row_stride + lane;
        const int64_t begin = FloorMod(pixel_x - args.at_x, args.block_x);
        for (int64_t x = begin; x < width; x += args.block_x)
          to[x * kBlock] = from[(args.at_x + x) / args.block_x * kBlock];
      }
    }
  }
}

void SpaceToDepthRows(const SpaceToDepthArgs& args, int64_t out_block, int64_t width,
                      int64_t y_begin, int64_t y_end) {
  const Plane& out = args.out[out_block];
  const int64_t block = args.block_y * args.block_x;
  for (int64_t lane = 0; lane < kBlock; ++lane) {
    // Lanes beyond the last channel repeat it: they must hold numbers.
    const int64_t channel = std::min(out_block * kBlock + lane, args.channels - 1);
    const int64_t pixel = args.blocks_first ? channel / args.in_channels : channel % block;
    const int64_t c = args.blocks_first ? channel % args.in_channels : channel / block;
    const Plane& in = args.in[c / kBlock];
    for (int64_t y = y_begin; y < y_end; ++y) {
      const int64_t row = y * args.block_y + pixel / args.block_x;
      const float* from =
          in.data + row * in.row_stride + pixel % args.block_x * kBlock + c % kBlock;
      float* to = out.data + y * out.row_stride + lane;
      for (int64_t x = 0; x < width; ++x) to[x * kBlock] = from[x * args.block_x * kBlock];
    }
  }
}

void SelectRows(const Plane* in, const Plane& out, const int64_t* channels, int64_t count,
                int64_t width, int64_t y_begin, int64_t y_end) {
  for (int64_t lane = 0; lane < kBlock; ++lane) {
    const int64_t channel = channels[std::min(lane, count - 1)];
    const Plane& plane = in[channel / kBlock];
    for (int64_t y = y_begin; y < y_end; ++y) {
      const float* from = plane.data + y * plane.row_stride + channel % kBlock;
      float* to = out.data + y * out.row_stride + lane;
      for (int64_t x = 0; x < width; ++x) to[x * kBlock] = from[x * kBlock];
    }
  }
}

void ExpandRows(const Plane& pixel, const Plane& out, int64_t width, int64_t y_begin,
                int64_t y_end) {
  for (int64_t y = y_begin; y < y_end; ++y)
    for (int64_t x = 0; x < width; ++x)
      std::memcpy(out.data + y * out.row_stride + x * kBlock, pixel.data, kBlock * sizeof(float));
}

namespace {

int64_t Source(int64_t i, int64_t size, BorderMode mode) {
  if (mode == BorderMode::kReplicate) return std::clamp<int64_t>(i, 0, size - 1);
  return i < 0 ? -i : i >= size ? 2 * (size - 1) - i : i;  // reflect; checked: border < size
}

}  // namespace

void FillBorder(const Plane& plane, int64_t lanes, int64_t height, int64_t width,
                const Amounts& border, BorderMode mode, float value, int64_t y_begin,
                int64_t y_end) {
  const bool fill = mode == BorderMode::kZero || mode == BorderMode::kConstant;
  if (mode == BorderMode::kZero) value = 0;
  const auto pixel = [&](float* row, int64_t x, const float* source_row) {
    float* to = row + x * lanes;
    if (fill)
      std::fill_n(to, lanes, value);
    else
      std::memmove(to, source_row + Source(x, width, mode) * lanes,
                   static_cast<size_t>(lanes) * sizeof(float));
  };
  if (y_begin == 0) y_begin = -border.before.y;
  if (y_end == height) y_end = height + border.after.y;
  for (int64_t y = y_begin; y < y_end; ++y) {
    float* row = plane.data + y * plane.row_stride;
    const bool outside = y < 0 || y >= height;
    const float* source = fill ? row : plane.data + Source(y, height, mode) * plane.row_stride;
    for (int64_t x = -border.before.x; x < (outside ? width + border.after.x : 0); ++x)
      pixel(row, x, source);
    if (!outside)
      for (int64_t x = width; x < width + border.after.x; ++x) pixel(row, x, source);
  }
}

}  // namespace pyengine
