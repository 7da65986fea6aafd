// Where a resized plane takes its pixels from: ONNX's Resize, in whole numbers.
//
// Positions are fractions of integers. Output i and output i + num of an enlargement by num / den
// therefore have the same weights, and tiles agree to the last bit.
#pragma once

#include <cstdint>
#include <vector>

#include "core/range.h"

namespace pyengine {

struct ResizeRule {
  enum class Mode { kNearest, kLinear, kCubic };
  enum class Coordinates {
    kHalfPixel,
    kPytorchHalfPixel,
    kHalfPixelSymmetric,
    kAsymmetric,
    kAlignCorners,
    kTfHalfPixelForNn,
  };
  enum class Rounding { kPreferFloor, kPreferCeil, kFloor, kCeil };

  Mode mode = Mode::kNearest;
  Coordinates coordinates = Coordinates::kHalfPixel;
  Rounding rounding = Rounding::kPreferFloor;  // kNearest
  float cubic_coefficient = -0.75f;            // kCubic
  bool exclude_outside = false;                // pixels beyond the ends weigh nothing
  bool antialias = false;                      // shrinking averages over all that it skips
};

// Of one axis: outputs are num / den as many as inputs. Sizes count where the coordinates ask for
// them.
struct ResizeAxis {
  int64_t num = 1, den = 1;
  int64_t in_size = 1, out_size = 1;
};

// Inputs `first`, `first` + 1, ... and their weights, which sum to 1; they may lie beyond the ends,
// where the last pixel is repeated.
struct ResizeTaps {
  int64_t first = 0;
  std::vector<double> weights;
};

// As many taps as every output has.
int64_t TapCount(const ResizeRule& rule, const ResizeAxis& axis);
ResizeTaps TapsOf(const ResizeRule& rule, const ResizeAxis& axis, int64_t output);

}  // namespace pyengine
