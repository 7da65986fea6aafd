// Windows through the network, and their mirror images: the mean of the logits, as nnU-Net has it.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "core/aligned_buffer.h"
#include "core/thread_pool.h"
#include "tiling/segmenter.h"

namespace pyengine {

class MirroredRun {
 public:
  // `in` windows (n, channels, in) to logits (n, classes, out).
  using Network = std::function<void(const float* windows, float* logits, int64_t n)>;

  // `mirror`: along the axes that the model names, and all combinations of them; else each window
  // alone. At most `batch` windows at a time.
  MirroredRun(const SegmentationModel& model, bool mirror, TileSize in, TileSize out, int64_t batch,
              ThreadPool& pool);

  void operator()(const Network& network, const float* windows, float* logits, int64_t n);

 private:
  struct Flip {
    bool z = false, y = false, x = false;
  };
  static std::vector<Flip> FlipsOf(const SegmentationModel& model);
  // Planes of boxes, each axis in reverse where the flip says so, added to `to` or copied there.
  void Turn(const float* from, int64_t planes, TileSize size, Flip flip, bool add, float* to) const;

  const int64_t channels_, classes_;
  const TileSize in_, out_;
  const std::vector<Flip> flips_;
  ThreadPool& pool_;
  AlignedBuffer<float> turned_, answer_;
};

}  // namespace pyengine
