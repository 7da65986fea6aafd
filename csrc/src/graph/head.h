// From one pixel's logits to its label or probabilities.
#pragma once

#include <cstdint>

#include "core/exp.h"
#include "core/host_device.h"

namespace pyengine {

// How logits become probabilities. Regions are sigmoids of classes that may lie in one another.
enum class Head { kNone, kSoftmax, kSigmoid, kRegions };

// The index of the highest logit, the lowest among equals; a single logit: 1 if above 0. Regions:
// 1 + the last whose logit is above 0, which is a probability above one half; 0 where none is.
// Logits of one pixel lie `stride` apart.
PYENGINE_HOST_DEVICE inline uint8_t LabelOf(const float* logits, int64_t stride, int64_t classes,
                                            Head head) {
  if (head == Head::kRegions) {
    int64_t label = 0;
    for (int64_t k = 0; k < classes; ++k)
      if (logits[k * stride] > 0) label = k + 1;
    return static_cast<uint8_t>(label);
  }
  if (classes == 1) return logits[0] > 0;
  int64_t best = 0;
  for (int64_t k = 1; k < classes; ++k)
    if (logits[k * stride] > logits[best * stride]) best = k;
  return static_cast<uint8_t>(best);
}

// Applies the head in place to one pixel's values, `stride` apart.
PYENGINE_HOST_DEVICE inline void ApplyHeadToPixel(float* values, int64_t stride, int64_t classes,
                                                  Head head) {
  if (head == Head::kNone) return;
  if (head == Head::kSigmoid || head == Head::kRegions) {
    for (int64_t k = 0; k < classes; ++k) {
      float& v = values[k * stride];
      v = 1 / (1 + Exp(-v));
    }
    return;
  }
  float highest = values[0], sum = 0;
  for (int64_t k = 1; k < classes; ++k)
    highest = highest < values[k * stride] ? values[k * stride] : highest;
  for (int64_t k = 0; k < classes; ++k) {
    float& v = values[k * stride];
    v = Exp(v - highest);
    sum += v;
  }
  for (int64_t k = 0; k < classes; ++k) values[k * stride] /= sum;
}

}  // namespace pyengine
