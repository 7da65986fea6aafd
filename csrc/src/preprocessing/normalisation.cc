#include "preprocessing/normalisation.h"

#include <algorithm>
#include <cmath>

namespace pyengine {
namespace {

template <class F>
void ForEach(float* values, int64_t count, F&& f) {
  for (int64_t i = 0; i < count; ++i) values[i] = f(values[i]);
}

void Apply(const PointStep& step, float* values, int64_t count) {
  const float a = step.a, b = step.b;
  switch (step.kind) {
    case PointStep::Kind::kAffine:
      return ForEach(values, count, [=](float x) { return x * a + b; });
    case PointStep::Kind::kStandardise:
      return ForEach(values, count, [=](float x) { return (x - a) / b; });
    case PointStep::Kind::kClip:
      return ForEach(values, count, [=](float x) { return std::min(std::max(x, a), b); });
    case PointStep::Kind::kBinarize:
      return ForEach(values, count, [=](float x) { return x > a ? 1.0f : 0.0f; });
    case PointStep::Kind::kTruncate:
      return ForEach(values, count,
                     [=](float x) { return std::min(std::max(std::trunc(x), a), b); });
  }
}

}  // namespace

void ApplyFurtherSteps(const Normalisation& normalisation, int64_t channel, float* values,
                       int64_t count) {
  for (const std::vector<PointStep>& step : normalisation.then)
    Apply(step[static_cast<size_t>(channel)], values, count);
}

}  // namespace pyengine
