// One pass on the host: pixels into windows, windows through the network, logits to results.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "core/aligned_buffer.h"
#include "core/held_bytes.h"
#include "core/lender.h"
#include "core/thread_pool.h"
#include "pyengine/executor.h"
#include "tiling/constant_tiles.h"
#include "tiling/pixel_rect.h"
#include "tiling/segmenter.h"

namespace pyengine {

// What the ways to segment an image (exact.h, whole.h, blend.h) share.
class WindowRunner {
 public:
  // Input and output of one network call; grown, never shrunk, and reused by later calls.
  struct Buffers {
    explicit Buffers(std::atomic<int64_t>* total) : held(total) {}
    AlignedBuffer<float> windows, logits;
    std::vector<int64_t> columns;  // of the tiles that wait in them
    std::vector<uint8_t> deeds;    // with the cells of a tile
    ChannelBits constant;          // that a window holds
    HeldBytes held;
  };
  using Lease = Lender<Buffers>::Lease;

  WindowRunner(std::shared_ptr<Executor> executor, SegmentationModel model,
               std::shared_ptr<ThreadPool> pool);

  Executor& executor() const { return *executor_; }
  ThreadPool& pool() const { return *pool_; }
  const SegmentationModel& model() const { return model_; }
  const NetworkGeometry& net() const { return model_.geometry; }

  // Room for at least so many floats.
  Lease Borrow(int64_t window_floats, int64_t logit_floats) const;

  // For so many tiles at a time.
  Lease Borrow(TileSize window, TileSize tile, int64_t tiles) const;

  ConstantTiles& constant_tiles() const { return constant_tiles_; }

  // The executor's, the buffers' and that of constant tiles.
  MemoryUse Memory() const;
  void Trim() const;

  // Normalised pixels of the plane, from (y, x) on: (channels, height, width).
  void Gather(const CheckedImage& image, PaddingMode padding, int64_t y, int64_t x, int64_t height,
              int64_t width, float* window) const {
    Gather(image, padding, y, x, height, width, window, height * width);
  }
  // With channels `plane_stride` floats apart.
  void Gather(const CheckedImage& image, PaddingMode padding, int64_t y, int64_t x, int64_t height,
              int64_t width, float* window, int64_t plane_stride) const;

  // The executor's functions of these names. Logits are looked at where finite_check.h asks for it.
  void RunTile(const float* windows, float* logits, int64_t n, const Tile& tile) const;
  void Run(const float* in, float* logits, int64_t n, int64_t h, int64_t w) const;

  // Those pixels of logits (classes, size.height, size.width), which lie at (y, x), that are within
  // `wanted`.
  void Write(const float* logits, TileSize size, int64_t y, int64_t x, const PixelRect& wanted,
             const OutputView& out) const {
    Write(logits, size.height * size.width, size, y, x, wanted, out);
  }
  // With classes `plane_stride` floats apart.
  void Write(const float* logits, int64_t plane_stride, TileSize size, int64_t y, int64_t x,
             const PixelRect& wanted, const OutputView& out) const;

 private:
  std::shared_ptr<Executor> executor_;
  const SegmentationModel model_;
  std::shared_ptr<ThreadPool> pool_;
  mutable std::atomic<int64_t> buffers_bytes_{0};
  mutable Lender<Buffers> buffers_;
  mutable ConstantTiles constant_tiles_;
};

}  // namespace pyengine
