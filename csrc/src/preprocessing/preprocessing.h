// The steps from pixels to network input as an engine file gives them, under bioimage.io's names.
#pragma once

#include <optional>
#include <vector>

#include "preprocessing/normalisation.h"

namespace pyengine {

// Which value is a percentile of n sorted ones, as in numpy.
enum class PercentileRule {
  kLinear,       // between the two values around (n - 1) * fraction
  kInvertedCdf,  // the first at or below which lies that fraction of the values
};

// One step. Its numbers are fixed, or follow from the whole image as it is after the steps before.
struct PreprocessingStep {
  enum class Source {
    kFixed,
    kMoments,           // a = mean, b = standard deviation + eps
    kPercentileRange,   // a = low, b = high - low + eps
    kPercentileLimits,  // a = low, b = high, where they are percentiles
  };
  PointStep::Kind kind = PointStep::Kind::kAffine;
  Source source = Source::kFixed;
  std::vector<PointStep> fixed = {};  // by channel; also the limits that are no percentiles

  bool together = false;  // all channels have one mean, one percentile
  double eps = 0;
  std::optional<double> low = {}, high = {};  // fractions of the pixels, 0 to 1
  PercentileRule rule = PercentileRule::kLinear;
};

struct Preprocessing {
  // The affine steps at the beginning, and further fixed ones up to the first that depends on the
  // image.
  Normalisation first;
  std::vector<PreprocessingStep> rest;

  bool depends_on_image() const { return !rest.empty(); }
};

}  // namespace pyengine
