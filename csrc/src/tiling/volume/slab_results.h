// Results of a volume, slab by slab: into the caller's memory, or handed on and forgotten.
#pragma once

#include <cstdint>

#include "core/aligned_buffer.h"
#include "core/thread_pool.h"
#include "pyengine/executor.h"
#include "pyengine/options.h"
#include "tiling/scores.h"

namespace pyengine {

// Where the results of a volume go. Labels (depth, height, width) or float scores (classes, depth,
// height, width) at `whole`, dense; or, where that is null, slabs of them to `slab`.
struct VolumeOutput {
  OutputKind kind = OutputKind::kLabels;
  void* whole = nullptr;
  SlabFn slab;
};

class SlabResults {
 public:
  // `slab_depth`: slices of the largest slab.
  SlabResults(const VolumeOutput& output, TileSize volume, int64_t classes, Head head,
              int64_t slab_depth, ThreadPool& pool);

  // Logits (classes, size.depth, size.height, size.width) of a box whose first voxel is (z, y, x);
  // what lies outside the slab or the volume is cut. Planes of a class are `class_stride` values
  // apart, slices `slice_stride`.
  void Write(const float* logits, int64_t class_stride, int64_t slice_stride, TileSize size,
             int64_t z, int64_t y, int64_t x);

  // Slices up to `end` are written: they go to the caller.
  void Finish(int64_t end);

 private:
  const VolumeOutput& output_;
  const TileSize volume_;
  const int64_t classes_;
  const Head head_;
  ThreadPool& pool_;
  AlignedBuffer<float> scores_;  // of a slab, where slabs are handed on
  AlignedBuffer<uint8_t> labels_;
  int64_t held_ = 0;   // slices for which there is room
  int64_t first_ = 0;  // slice of the slab
};

}  // namespace pyengine
