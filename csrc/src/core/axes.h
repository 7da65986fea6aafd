// The axes of images and volumes. An image is a volume of one slice.
#pragma once

#include <cstdint>

namespace pyengine {

enum class Axis { kZ, kY, kX };  // slices, rows, columns
inline constexpr Axis kAxes[] = {Axis::kZ, Axis::kY, Axis::kX};

// One of each for every axis.
template <class T>
struct PerAxis {
  T z{}, y{}, x{};

  constexpr T& operator[](Axis axis) { return axis == Axis::kZ ? z : axis == Axis::kY ? y : x; }
  constexpr const T& operator[](Axis axis) const {
    return axis == Axis::kZ ? z : axis == Axis::kY ? y : x;
  }
  bool operator==(const PerAxis& o) const { return z == o.z && y == o.y && x == o.x; }
};

using Axes = PerAxis<int64_t>;
inline constexpr Axes kOnes{.z = 1, .y = 1, .x = 1};

inline constexpr int64_t Product(const Axes& axes) {
  return axes.z * axes.y * axes.x;
}

}  // namespace pyengine
