#include "tiling/window_sums.h"

#include <algorithm>
#include <atomic>
#include <utility>

#include "core/checked_math.h"
#include "pyengine/error.h"

namespace pyengine {

WindowSums::WindowSums(int64_t classes, TileSize volume, TileSize window,
                       std::vector<float> weights, ThreadPool& pool, Sink sink, int64_t first)
    : classes_(classes),
      volume_(volume),
      window_(window),
      weights_(std::move(weights)),
      pool_(pool),
      sink_(std::move(sink)),
      depth_(std::min(window.depth, volume.depth)),
      slice_(CheckedMul(volume.height, volume.width, "sums")),
      sums_(static_cast<size_t>(CheckedMul(CheckedMul(classes, depth_, "sums"), slice_, "sums"))),
      coverage_(static_cast<size_t>(CheckedMul(depth_, slice_, "sums"))),
      first_(first) {
  std::fill_n(sums_.data(), sums_.size(), 0.0f);
  std::fill_n(coverage_.data(), coverage_.size(), 0.0f);
}

void WindowSums::Add(const float* logits, int64_t z, int64_t y, int64_t x) {
  // A window that is larger than the volume begins before it.
  const int64_t front = std::max<int64_t>(0, -z);
  const int64_t back = std::min(window_.depth, volume_.depth - z);
  const int64_t top = std::max<int64_t>(0, -y);
  const int64_t bottom = std::min(window_.height, volume_.height - y);
  const int64_t left = std::max<int64_t>(0, -x);
  const int64_t right = std::min(window_.width, volume_.width - x);
  const int64_t voxels = window_.depth * window_.height * window_.width;
  pool_.ParallelFor(std::max<int64_t>(0, back - front), [&](int64_t i) {
    const int64_t s = front + i;
    for (int64_t r = top; r < bottom; ++r) {
      const int64_t in_window = (s * window_.height + r) * window_.width;
      const int64_t at = (z + s - first_) * slice_ + (y + r) * volume_.width + x;
      const float* weight = weights_.data() + in_window;
      for (int64_t k = 0; k < classes_; ++k) {
        const float* in = logits + k * voxels + in_window;
        float* sum = sums_.data() + k * depth_ * slice_ + at;
        for (int64_t c = left; c < right; ++c) sum[c] += in[c] * weight[c];
      }
      float* coverage = coverage_.data() + at;
      for (int64_t c = left; c < right; ++c) coverage[c] += weight[c];
    }
  });
}

void WindowSums::Finish(int64_t end) {
  const int64_t slices = std::min(end, volume_.depth) - first_;
  if (slices <= 0) return;
  std::atomic<bool> covered{true};
  pool_.ParallelFor(slices, [&](int64_t s) {
    for (int64_t i = s * slice_; i < (s + 1) * slice_; ++i) {
      if (!(coverage_[i] > 0)) covered = false;
      for (int64_t k = 0; k < classes_; ++k) sums_[k * depth_ * slice_ + i] /= coverage_[i];
    }
  });
  if (!covered) throw Error(ErrorCode::kInternal, "a pixel is covered by no window");
  sink_(sums_.data(), depth_ * slice_, first_, slices);
  first_ += slices;
  pool_.ParallelFor(classes_ + 1, [&](int64_t k) {
    float* begin = k == classes_ ? coverage_.data() : sums_.data() + k * depth_ * slice_;
    std::copy(begin + slices * slice_, begin + depth_ * slice_, begin);
    std::fill(begin + (depth_ - slices) * slice_, begin + depth_ * slice_, 0.0f);
  });
}

}  // namespace pyengine
