// Weighted averages of overlapping windows, handed out as soon as no later window touches them.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "core/aligned_buffer.h"
#include "core/thread_pool.h"
#include "pyengine/executor.h"

namespace pyengine {

// Windows arrive in the order of their first slices. Memory is proportional to a window's depth
// times a slice of the volume. An image is a volume whose slices are its rows.
class WindowSums {
 public:
  // Finished slices [first, first + slices): planes of `classes` x slices x height x width, those
  // of a class `class_stride` apart.
  using Sink =
      std::function<void(const float* logits, int64_t class_stride, int64_t first, int64_t slices)>;

  // `weights` of a window's voxels. The first window reaches no slice before `first`.
  WindowSums(int64_t classes, TileSize volume, TileSize window, std::vector<float> weights,
             ThreadPool& pool, Sink sink, int64_t first = 0);

  // logits (classes, window) at (z, y, x); what reaches past the volume is cut.
  void Add(const float* logits, int64_t z, int64_t y, int64_t x);

  // No later window begins before slice `end`: the slices before it leave. Throws Error(kInternal)
  // if one of their voxels lies in no window.
  void Finish(int64_t end);

 private:
  const int64_t classes_;
  const TileSize volume_, window_;
  const std::vector<float> weights_;
  ThreadPool& pool_;
  const Sink sink_;
  const int64_t depth_;                   // slices held
  const int64_t slice_;                   // voxels of a slice
  AlignedBuffer<float> sums_, coverage_;  // slice 0 is `first_`
  int64_t first_;
};

}  // namespace pyengine
