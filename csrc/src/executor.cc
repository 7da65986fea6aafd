#include "pyengine/executor.h"

#include <algorithm>
#include <cstring>
#include <vector>

#include "core/checked_math.h"
#include "graph/accepted_size.h"
#include "pyengine/error.h"

namespace pyengine {

Executor::~Executor() = default;

int64_t Executor::TileGrid() const {
  return geometry_.alignment;
}

bool Executor::Repeatable() const {
  return false;
}

int64_t Executor::TileReach() const {
  return 0;
}

TileSize Executor::BoxGrid() const {
  if (!geometry_.volume) return {.height = TileGrid(), .width = TileGrid()};
  return {.height = geometry_.y.alignment,
          .width = geometry_.x.alignment,
          .depth = geometry_.z.alignment};
}

TileSize Executor::BoxReach() const {
  return {.height = TileReach(), .width = TileReach(), .depth = 0};
}

Window SmallestWindow(const NetworkGeometry& g, TileSize tile) {
  // The window starts on the pooling grid before the tile.
  if (!g.volume) {
    const auto side = [&](int64_t size) {
      return AcceptedInput(g, g.before + size + std::max(g.after, g.margin));
    };
    return {
        .height = side(tile.height), .width = side(tile.width), .top = g.before, .left = g.before};
  }
  const auto side = [](const AxisGeometry& axis, int64_t size) {
    return AcceptedInput(axis, axis.before + size + std::max(axis.after, axis.margin));
  };
  return {.height = side(g.y, tile.height),
          .width = side(g.x, tile.width),
          .top = g.y.before,
          .left = g.x.before,
          .depth = side(g.z, tile.depth),
          .front = g.z.before};
}

Window Executor::WindowFor(const Tile& tile) const {
  return SmallestWindow(geometry_, tile.size);
}

void Executor::RunVolume(const float* in, float* out, int64_t n, TileSize size) {
  if (size.depth != 1 || geometry_.volume)
    throw Error(ErrorCode::kUnsupported, "this executor runs images, not volumes");
  Run(in, out, n, size.height, size.width);
}

void Executor::RunTile(const float* windows, float* logits, int64_t n, const Tile& tile) {
  const NetworkGeometry& g = geometry_;
  const Window window = WindowFor(tile);
  // Images are cut by one margin; of volumes each axis has its own.
  const int64_t margin_y = g.volume ? g.y.margin : g.margin;
  const int64_t margin_x = g.volume ? g.x.margin : g.margin;
  const int64_t out_d = window.depth - 2 * g.z.margin;
  const int64_t out_h = window.height - 2 * margin_y, out_w = window.width - 2 * margin_x;
  std::vector<float> full(static_cast<size_t>(n * g.classes * out_d * out_h * out_w));
  if (g.volume)
    RunVolume(windows, full.data(), n,
              {.height = window.height, .width = window.width, .depth = window.depth});
  else
    Run(windows, full.data(), n, window.height, window.width);
  // Output index 0 is the image pixel `margin` after the window's first.
  const int64_t front = window.front - g.z.margin, top = window.top - margin_y,
                left = window.left - margin_x;
  for (int64_t plane = 0; plane < n * g.classes; ++plane)
    for (int64_t z = 0; z < tile.size.depth; ++z)
      for (int64_t y = 0; y < tile.size.height; ++y)
        std::memcpy(
            logits + ((plane * tile.size.depth + z) * tile.size.height + y) * tile.size.width,
            full.data() + ((plane * out_d + z + front) * out_h + y + top) * out_w + left,
            static_cast<size_t>(tile.size.width) * sizeof(float));
}

std::vector<OpTime> Executor::Profile(int64_t, int64_t, int) {
  return {};
}

std::vector<OpTime> Executor::ProfileVolume(TileSize, int) {
  return {};
}

int64_t Executor::TileMemoryBytes(const Tile& tile) const {
  const Window w = WindowFor(tile);
  const int64_t window = CheckedProduct({.z = w.depth, .y = w.height, .x = w.width}, "tile");
  const int64_t floats = window * geometry_.channels + 2 * window * geometry_.classes;
  // What the network itself uses is unknown; 64 planes of the window are a modest U-Net's share.
  return (floats + 64 * window) * static_cast<int64_t>(sizeof(float));
}

int64_t Executor::RunMemoryBytes(int64_t, int64_t) const {
  return 0;
}

int64_t Executor::RunVolumeMemoryBytes(TileSize) const {
  return 0;
}

void Executor::RunRows(int64_t h, int64_t w, const ReadRows& read, const WriteRows& write,
                       const RunLimits& limits) {
  const NetworkGeometry& g = geometry_;
  const int64_t out_h = h - 2 * g.margin, out_w = w - 2 * g.margin;
  std::vector<float> in(
      static_cast<size_t>(CheckedMul(g.channels, CheckedMul(h, w, "image"), "image")));
  std::vector<float> out(
      static_cast<size_t>(CheckedMul(g.classes, CheckedMul(out_h, out_w, "image"), "image")));
  read(0, h, in.data(), h * w);
  Run(in.data(), out.data(), 1, h, w);
  write(0, out_h, out.data(), out_h * out_w);
  if (limits.progress) limits.progress(1, 1);
}

MemoryUse Executor::Memory() const {
  return {};
}

void Executor::Trim() {}

double Executor::TileCost(const Tile& tile) const {
  const Window w = WindowFor(tile);
  return double(w.depth) * double(w.height) * double(w.width);
}

}  // namespace pyengine
