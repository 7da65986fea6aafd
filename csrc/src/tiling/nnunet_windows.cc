#include "tiling/nnunet_windows.h"

#include <algorithm>
#include <cmath>

#include "core/exp.h"

namespace pyengine {
namespace {

constexpr double kStep = 0.5;  // of a window
constexpr double kPeak = 10;

// Rounded to 11 bits of significand, or to multiples of 2^-24.
double RoundedToHalf(double value) {
  int exponent = 0;
  std::frexp(value, &exponent);
  const double quantum = std::ldexp(1.0, std::max(exponent - 11, -24));
  return std::nearbyint(value / quantum) * quantum;
}

}  // namespace

std::vector<int64_t> NnUnetOrigins(int64_t size, int64_t window) {
  if (window >= size) return {-((window - size) / 2)};
  const int64_t last = size - window;
  const auto steps = static_cast<int64_t>(std::ceil(double(last) / (double(window) * kStep)));
  const double step = double(last) / double(steps);
  std::vector<int64_t> origins;
  for (int64_t i = 0; i <= steps; ++i)
    origins.push_back(static_cast<int64_t>(std::nearbyint(step * double(i))));
  return origins;
}

std::vector<float> NnUnetWeights(TileSize window) {
  const auto axis = [](int64_t i, int64_t size) {
    const int64_t centre = size / 2;
    const double z = double(i - centre) / (double(size) / 8);
    return Exp(-z * z / 2);
  };
  std::vector<float> weights;
  weights.reserve(static_cast<size_t>(window.depth * window.height * window.width));
  auto smallest = static_cast<float>(kPeak);
  for (int64_t z = 0; z < window.depth; ++z)
    for (int64_t y = 0; y < window.height; ++y)
      for (int64_t x = 0; x < window.width; ++x) {
        // An axis of one pixel counts 1: a window of one slice weighs as an image does.
        const auto weight = static_cast<float>(RoundedToHalf(
            kPeak * axis(z, window.depth) * axis(y, window.height) * axis(x, window.width)));
        weights.push_back(weight);
        if (weight > 0) smallest = std::min(smallest, weight);
      }
  for (float& weight : weights) weight = std::max(weight, smallest);
  return weights;
}

}  // namespace pyengine
