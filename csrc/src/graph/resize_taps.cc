#include "graph/resize_taps.h"

#include <algorithm>
#include <cmath>

#include "core/checked_math.h"

namespace pyengine {
namespace {

using Coordinates = ResizeRule::Coordinates;
using Mode = ResizeRule::Mode;
using Rounding = ResizeRule::Rounding;

// num / den, den > 0.
struct Position {
  int64_t num = 0, den = 1;
  int64_t floor() const { return FloorDiv(num, den); }
  double fraction() const { return double(FloorMod(num, den)) / double(den); }
};

Position PositionOf(const ResizeRule& rule, const ResizeAxis& axis, int64_t output) {
  const int64_t centre = (2 * output + 1) * axis.den;  // of the output pixel, in 1 / (2 num)
  const Position half_pixel{.num = centre - axis.num, .den = 2 * axis.num};
  switch (rule.coordinates) {
    case Coordinates::kHalfPixel:
      return half_pixel;
    case Coordinates::kPytorchHalfPixel:
      return axis.out_size == 1 ? Position{} : half_pixel;
    case Coordinates::kHalfPixelSymmetric:
      // What rounding the size cut off is shared by both ends.
      return {.num = half_pixel.num + axis.in_size * axis.num - axis.out_size * axis.den,
              .den = half_pixel.den};
    case Coordinates::kAsymmetric:
      return {.num = output * axis.den, .den = axis.num};
    case Coordinates::kAlignCorners:
      if (axis.out_size == 1) return {};
      return {.num = output * (axis.in_size - 1), .den = axis.out_size - 1};
    case Coordinates::kTfHalfPixelForNn:
      return {.num = centre, .den = 2 * axis.num};
  }
  return half_pixel;
}

int64_t Nearest(Rounding rounding, const Position& at) {
  switch (rounding) {
    case Rounding::kPreferFloor:
      return CeilDiv(2 * at.num - at.den, 2 * at.den);
    case Rounding::kPreferCeil:
      return FloorDiv(2 * at.num + at.den, 2 * at.den);
    case Rounding::kFloor:
      return at.floor();
    case Rounding::kCeil:
      return CeilDiv(at.num, at.den);
  }
  return at.floor();
}

// The weight of a pixel at distance `x`, where pixels are 1 apart.
double Filter(const ResizeRule& rule, double x) {
  x = std::fabs(x);
  if (rule.mode == Mode::kLinear) return std::max(0.0, 1 - x);
  const auto a = double(rule.cubic_coefficient);
  if (x <= 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
  if (x < 2) return ((a * x - 5 * a) * x + 8 * a) * x - 4 * a;
  return 0;
}

// How far the filter is stretched: 1, or to the outputs' distance where shrinking averages.
double Stretch(const ResizeRule& rule, const ResizeAxis& axis) {
  return rule.antialias ? std::max(1.0, double(axis.den) / double(axis.num)) : 1.0;
}

int64_t Reach(const ResizeRule& rule, const ResizeAxis& axis) {
  return static_cast<int64_t>(std::ceil((rule.mode == Mode::kCubic ? 2 : 1) * Stretch(rule, axis)));
}

}  // namespace

int64_t TapCount(const ResizeRule& rule, const ResizeAxis& axis) {
  return rule.mode == Mode::kNearest ? 1 : 2 * Reach(rule, axis);
}

ResizeTaps TapsOf(const ResizeRule& rule, const ResizeAxis& axis, int64_t output) {
  const Position at = PositionOf(rule, axis, output);
  if (rule.mode == Mode::kNearest) return {.first = Nearest(rule.rounding, at), .weights = {1.0}};
  const int64_t reach = Reach(rule, axis);
  const double stretch = Stretch(rule, axis), fraction = at.fraction();
  ResizeTaps taps{.first = at.floor() - reach + 1, .weights = {}};
  double sum = 0;
  for (int64_t i = 0; i < 2 * reach; ++i) {
    const int64_t index = taps.first + i;
    const bool counts = !rule.exclude_outside || (index >= 0 && index < axis.in_size);
    const double distance = double(i - reach + 1) - fraction;
    taps.weights.push_back(counts ? Filter(rule, distance / stretch) : 0.0);
    sum += taps.weights.back();
  }
  // Unstretched filters sum to 1 by themselves.
  if (rule.antialias || rule.exclude_outside)
    for (double& weight : taps.weights) weight /= sum;
  return taps;
}

}  // namespace pyengine
