// Blocked tensors with guard bytes around them.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <random>
#include <vector>

#include "cpu/kernels/kernels.h"

namespace pyengine {

// Planes of [rows][columns][lanes] with random numbers, and guards that a kernel must not touch.
class GuardedPlanes {
 public:
  GuardedPlanes(int64_t blocks, int64_t rows, int64_t columns, uint32_t seed,
                int64_t lanes = kBlock)
      : plane_(rows * columns * lanes), storage_(kGuard * 2 + blocks * (plane_ + kGuard), kMark) {
    std::mt19937 random(seed);
    std::normal_distribution<float> normal;
    for (int64_t b = 0; b < blocks; ++b) {
      float* data = storage_.data() + kGuard + b * (plane_ + kGuard);
      for (int64_t i = 0; i < plane_; ++i) data[i] = normal(random);
      planes.push_back({data, columns * lanes});
    }
  }

  void CheckGuards() const {
    for (int64_t i = 0; i < static_cast<int64_t>(storage_.size()); ++i) {
      const int64_t at = (i - kGuard) % (plane_ + kGuard);
      if (i < kGuard || at >= plane_) {
        ASSERT_EQ(storage_[static_cast<size_t>(i)], kMark) << i;
      }
    }
  }

  const std::vector<float>& values() const { return storage_; }
  std::vector<Plane> planes;

 private:
  static constexpr int64_t kGuard = 32;
  static constexpr float kMark = -12345.5f;
  int64_t plane_;
  std::vector<float> storage_;
};

// Values alike, to the bit or within a tolerance (relative above 1), and both guards whole.
inline void ExpectEqual(const GuardedPlanes& a, const GuardedPlanes& b, float tolerance = 0) {
  a.CheckGuards();
  b.CheckGuards();
  for (size_t i = 0; i < a.values().size(); ++i) {
    const float x = a.values()[i], y = b.values()[i];
    if (x == y) continue;  // infinities, too
    ASSERT_NEAR(x, y, tolerance * std::max(1.0f, std::fabs(x))) << i;
  }
}

// Standard normal numbers.
inline std::vector<float> Random(int64_t n, uint32_t seed) {
  GuardedPlanes planes(1, 1, (n + kBlock - 1) / kBlock, seed);
  return {planes.planes[0].data, planes.planes[0].data + n};
}

}  // namespace pyengine
