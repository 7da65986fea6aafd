// From pixels to what the network takes: functions of one value, whose numbers are known.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace pyengine {

// A function of one value x.
struct PointStep {
  enum class Kind {
    kAffine,       // x * a + b
    kStandardise,  // (x - a) / b
    kClip,         // at least a, at most b
    kBinarize,     // 1 above a, else 0
    kTruncate,     // toward zero, then at least a and at most b: a cast to integers
  };
  Kind kind = Kind::kAffine;
  float a = 1, b = 0;
};

// Per input channel: pixel * gain + offset, then further steps in their order.
struct Normalisation {
  std::vector<float> gain, offset;
  std::vector<std::vector<PointStep>> then = {};  // by step, then by channel

  bool affine() const { return then.empty(); }
  // Pixels as they are.
  static Normalisation None(int64_t channels) {
    const auto count = static_cast<size_t>(channels);
    return {.gain = std::vector<float>(count, 1.0f), .offset = std::vector<float>(count, 0.0f)};
  }
};

// The further steps, in place, on values of one channel that were scaled already.
void ApplyFurtherSteps(const Normalisation& normalisation, int64_t channel, float* values,
                       int64_t count);

}  // namespace pyengine
