#include "pyengine/executor.h"

#include <algorithm>
#include <cstring>
#include <vector>

#include "core/checked_math.h"
#include "graph/accepted_size.h"

namespace pyengine {

Executor::~Executor() = default;

int64_t Executor::TileGrid() const {
  return geometry_.alignment;
}

int64_t Executor::TileReach() const {
  return 0;
}

Window SmallestWindow(const NetworkGeometry& g, TileSize tile) {
  // The window starts on the pooling grid before the tile.
  const auto side = [&](int64_t size) {
    return AcceptedInput(g, g.before + size + std::max(g.after, g.margin));
  };
  return {
      .height = side(tile.height), .width = side(tile.width), .top = g.before, .left = g.before};
}

Window Executor::WindowFor(const Tile& tile) const {
  return SmallestWindow(geometry_, tile.size);
}

void Executor::RunTile(const float* windows, float* logits, int64_t n, const Tile& tile) {
  const NetworkGeometry& g = geometry_;
  const Window window = WindowFor(tile);
  const int64_t out_h = window.height - 2 * g.margin, out_w = window.width - 2 * g.margin;
  std::vector<float> full(static_cast<size_t>(n * g.classes * out_h * out_w));
  Run(windows, full.data(), n, window.height, window.width);
  // Output index 0 is the image pixel `margin` after the window's first.
  const int64_t skip = g.before - g.margin;
  for (int64_t plane = 0; plane < n * g.classes; ++plane)
    for (int64_t y = 0; y < tile.size.height; ++y)
      std::memcpy(logits + (plane * tile.size.height + y) * tile.size.width,
                  full.data() + (plane * out_h + y + skip) * out_w + skip,
                  static_cast<size_t>(tile.size.width) * sizeof(float));
}

std::vector<OpTime> Executor::Profile(int64_t, int64_t, int) {
  return {};
}

int64_t Executor::TileMemoryBytes(const Tile& tile) const {
  const Window w = WindowFor(tile);
  const int64_t window = CheckedMul(w.height, w.width, "tile");
  const int64_t floats = window * geometry_.channels + 2 * window * geometry_.classes;
  // What the network itself uses is unknown; 64 planes of the window are a modest U-Net's share.
  return (floats + 64 * window) * static_cast<int64_t>(sizeof(float));
}

int64_t Executor::RunMemoryBytes(int64_t, int64_t) const {
  return 0;
}

MemoryUse Executor::Memory() const {
  return {};
}

void Executor::Trim() {}

double Executor::TileCost(const Tile& tile) const {
  const Window w = WindowFor(tile);
  return double(w.height) * double(w.width);
}

}  // namespace pyengine
