#include "tiling/volume/slab_results.h"

#include <algorithm>

#include "core/checked_math.h"

namespace pyengine {

SlabResults::SlabResults(const VolumeOutput& output, TileSize volume, int64_t classes, Head head,
                         int64_t slab_depth, ThreadPool& pool)
    : output_(output),
      volume_(volume),
      classes_(classes),
      head_(head),
      pool_(pool),
      held_(output.whole != nullptr ? volume.depth : std::min(slab_depth, volume.depth)) {
  if (output.whole != nullptr) return;
  const int64_t slice = CheckedMul(volume.height, volume.width, "slab");
  const int64_t voxels = CheckedMul(slice, held_, "slab");
  if (output.kind == OutputKind::kLabels)
    labels_ = AlignedBuffer<uint8_t>(static_cast<size_t>(voxels));
  else
    scores_ = AlignedBuffer<float>(static_cast<size_t>(CheckedMul(voxels, classes, "slab")));
}

void SlabResults::Write(const float* logits, int64_t class_stride, int64_t slice_stride,
                        TileSize size, int64_t z, int64_t y, int64_t x) {
  const int64_t slice = volume_.height * volume_.width;
  const bool whole = output_.whole != nullptr, labels = output_.kind == OutputKind::kLabels;
  // Rows are counted over all slices of the slab.
  const OutputView out{.kind = output_.kind,
                       .data = whole    ? output_.whole
                               : labels ? static_cast<void*>(labels_.data())
                                        : static_cast<void*>(scores_.data()),
                       .row_stride = volume_.width,
                       .plane_stride = held_ * slice,
                       .first_row = whole ? 0 : first_ * volume_.height};
  const int64_t front = std::max<int64_t>(0, first_ - z);
  const int64_t back =
      std::min({size.depth, volume_.depth - z, whole ? size.depth : first_ + held_ - z});
  const int64_t top = std::max<int64_t>(0, -y), bottom = std::min(size.height, volume_.height - y);
  const int64_t left = std::max<int64_t>(0, -x), right = std::min(size.width, volume_.width - x);
  if (right <= left || bottom <= top) return;
  pool_.ParallelFor(std::max<int64_t>(0, back - front), [&](int64_t i) {
    const int64_t s = front + i;
    for (int64_t r = top; r < bottom; ++r)
      WriteScores(logits + s * slice_stride + r * size.width + left, class_stride, classes_, head_,
                  out, (z + s) * volume_.height + y + r, x + left, right - left);
  });
}

void SlabResults::Finish(int64_t end) {
  end = std::min(end, volume_.depth);
  if (end <= first_) return;
  if (output_.whole == nullptr) {
    const int64_t slices = end - first_;
    const void* data = output_.kind == OutputKind::kLabels
                           ? static_cast<const void*>(labels_.data())
                           : static_cast<const void*>(scores_.data());
    output_.slab(first_, slices, data, held_ * volume_.height * volume_.width);
  }
  first_ = end;
}

}  // namespace pyengine
