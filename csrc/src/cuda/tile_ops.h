// What the gather and scatter kernels do for one pixel. Plain functions, so that tests run the very
// arithmetic of the kernels on the host and compare it with the CPU tiler.
#pragma once

#include <cmath>
#include <cstdint>

#include "core/host_device.h"
#include "graph/head.h"
#include "pyengine/image_view.h"
#include "tiling/border_index.h"

namespace pyengine {

// Tiles of one size, row by row; tile i's window begins `context` before its origin.
struct TileRun {
  int64_t tile_height = 0, tile_width = 0;
  int64_t tiles_across = 1;
  int64_t context_y = 0, context_x = 0;
  int64_t first = 0;  // index of the run's first tile
  int64_t count = 0;

  PYENGINE_HOST_DEVICE int64_t y(int64_t i) const {
    return (first + i) / tiles_across * tile_height;
  }
  PYENGINE_HOST_DEVICE int64_t x(int64_t i) const {
    return (first + i) % tiles_across * tile_width;
  }
};

// The network's input for a run of tiles: windows (count, channels, height, width).
struct GatherArgs {
  ImageView image;  // in device memory
  PaddingMode padding = PaddingMode::kReflect;
  TileRun tiles;
  int64_t height = 0, width = 0;  // of a window
  const float* gain = nullptr;    // per channel, in device memory; likewise `offset`
  const float* offset = nullptr;
  void* windows = nullptr;
  bool half = false;  // float16, else float32
};

// What the pixels of one row of a window share: divisions and border arithmetic cost a thread more
// than the pixel itself.
struct WindowRow {
  const char* pixels = nullptr;  // column 0 of the image's row; null: beyond a constant border
  int64_t column = 0;            // of the image, where the window begins
  float gain = 1, offset = 0;
};

// Row y of the window of tile i, channel c.
PYENGINE_HOST_DEVICE inline WindowRow WindowRowOf(const GatherArgs& a, int64_t i, int64_t c,
                                                  int64_t y) {
  const ImageView& image = a.image;
  const int64_t row = BorderIndex(a.tiles.y(i) - a.tiles.context_y + y, image.height, a.padding);
  WindowRow result;
  result.column = a.tiles.x(i) - a.tiles.context_x;
  result.gain = a.gain[c];
  result.offset = a.offset[c];
  if (row >= 0)
    result.pixels = static_cast<const char*>(image.data) +
                    (row - image.first_row) * image.row_stride_bytes +
                    c * image.channel_stride_bytes;
  return result;
}

// Pixel x of the row, as the network takes it.
PYENGINE_HOST_DEVICE inline float GatherPixel(const GatherArgs& a, const WindowRow& row,
                                              int64_t x) {
  const ImageView& image = a.image;
  const int64_t column = BorderIndex(row.column + x, image.width, a.padding);
  if (row.pixels == nullptr || column < 0) return 0.0f;
  const char* pixel = row.pixels + column * image.pixel_stride_bytes;
  float value = 0;
  switch (image.type) {
    case PixelType::kUint8:
      value = static_cast<float>(*reinterpret_cast<const uint8_t*>(pixel));
      break;
    case PixelType::kUint16:
      value = static_cast<float>(*reinterpret_cast<const uint16_t*>(pixel));
      break;
    case PixelType::kFloat32:
      value = *reinterpret_cast<const float*>(pixel);
      break;
    case PixelType::kInt8:
    case PixelType::kInt16:
    case PixelType::kUint32:
    case PixelType::kInt32:
    case PixelType::kFloat64:
    case PixelType::kUint12LowFirst:
    case PixelType::kUint12HighFirst:
      break;  // they come as float32 (plain_pixels.h)
  }
  return value * row.gain + row.offset;
}

// Where results go: uint8 labels, or float planes, in device memory.
struct PixelResult {
  OutputKind kind = OutputKind::kLabels;
  void* data = nullptr;
  int64_t row_stride = 0, plane_stride = 0;  // [values]
};

// One pixel's result from its logits, `stride` apart.
PYENGINE_HOST_DEVICE inline void WritePixel(const float* logits, int64_t stride, int64_t classes,
                                            Head head, const PixelResult& result, int64_t y,
                                            int64_t x) {
  const int64_t at = y * result.row_stride + x;
  if (result.kind == OutputKind::kLabels) {
    static_cast<uint8_t*>(result.data)[at] = LabelOf(logits, stride, classes, head);
    return;
  }
  float* scores = static_cast<float*>(result.data) + at;
  for (int64_t k = 0; k < classes; ++k) scores[k * result.plane_stride] = logits[k * stride];
  if (result.kind == OutputKind::kProbabilities)
    ApplyHeadToPixel(scores, result.plane_stride, classes, head);
}

// Results of a run of tiles from logits (count, classes, height, width), of which the tile begins
// at (skip, skip).
struct ScatterArgs {
  const float* logits = nullptr;
  int64_t height = 0, width = 0;
  int64_t skip = 0;
  int64_t classes = 1;
  TileRun tiles;
  int64_t row_begin = 0, row_end = 0;  // rows of the image to write
  int64_t image_width = 0;
  Head head = Head::kNone;
  PixelResult result;  // of row `row_begin`
};

// One row of a tile: its first logits, where they go, and how many pixels lie in the image.
struct TileRow {
  const float* logits = nullptr;
  int64_t row = 0, column = 0;  // of the result
  int64_t pixels = 0;
};

// Row y of tile i.
PYENGINE_HOST_DEVICE inline TileRow TileRowOf(const ScatterArgs& a, int64_t i, int64_t y) {
  TileRow result;
  const int64_t row = a.tiles.y(i) + y;
  result.row = row - a.row_begin;
  result.column = a.tiles.x(i);
  if (row < a.row_begin || row >= a.row_end) return result;
  const int64_t left = a.image_width - result.column;
  result.pixels = left < a.tiles.tile_width ? left : a.tiles.tile_width;
  result.logits = a.logits + (i * a.classes * a.height + y + a.skip) * a.width + a.skip;
  return result;
}

// Writes pixel x < row.pixels of the row.
PYENGINE_HOST_DEVICE inline void ScatterPixel(const ScatterArgs& a, const TileRow& row, int64_t x) {
  WritePixel(row.logits + x, a.height * a.width, a.classes, a.head, a.result, row.row,
             row.column + x);
}

// Adds the weighted logits (classes, height, width) of one window, whose output begins at (y, x).
struct BlendArgs {
  const float* logits = nullptr;
  const float* weights = nullptr;  // (height, width)
  int64_t height = 0, width = 0;
  int64_t y = 0, x = 0;
  int64_t classes = 1;
  int64_t image_height = 0, image_width = 0;
  float* sums = nullptr;      // (classes, image_height, image_width)
  float* coverage = nullptr;  // (image_height, image_width)
};

// Adds pixel (y, x) of the window, if it lies in the image.
PYENGINE_HOST_DEVICE inline void BlendPixel(const BlendArgs& a, int64_t y, int64_t x) {
  if (a.y + y >= a.image_height || a.x + x >= a.image_width) return;
  const int64_t at = (a.y + y) * a.image_width + a.x + x, plane = a.image_height * a.image_width;
  const float weight = a.weights[y * a.width + x];
  for (int64_t k = 0; k < a.classes; ++k)
    a.sums[k * plane + at] += a.logits[(k * a.height + y) * a.width + x] * weight;
  a.coverage[at] += weight;
}

// Results from the sums of all windows.
struct FinishBlendArgs {
  float* sums = nullptr;
  const float* coverage = nullptr;
  int64_t classes = 1;
  int64_t height = 0, width = 0;  // of the image
  Head head = Head::kNone;
  PixelResult result;
};

PYENGINE_HOST_DEVICE inline void FinishBlendPixel(const FinishBlendArgs& a, int64_t y, int64_t x) {
  const int64_t at = y * a.width + x, plane = a.height * a.width;
  for (int64_t k = 0; k < a.classes; ++k) a.sums[k * plane + at] /= a.coverage[at];
  WritePixel(a.sums + at, plane, a.classes, a.head, a.result, y, x);
}

}  // namespace pyengine
