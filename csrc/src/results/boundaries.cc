// Boundaries of a layer, column by column.
#include <algorithm>
#include <limits>

#include "results/check_labels.h"

namespace pyengine {
namespace {

struct Rows {
  int64_t begin = 0, end = 0;
};

// The longest run of rows that `is` of a class; the upper one among equals.
template <class Is>
Rows LongestRun(int64_t height, const Is& is) {
  Rows best;
  for (int64_t y = 0; y < height;) {
    if (!is(y)) {
      ++y;
      continue;
    }
    const int64_t begin = y;
    while (y < height && is(y)) ++y;
    if (y - begin > best.end - best.begin) best = {.begin = begin, .end = y};
  }
  return best;
}

constexpr float kAbsent = std::numeric_limits<float>::quiet_NaN();

}  // namespace

void ScoresToBoundaries(const float* probabilities, int64_t classes, int64_t height, int64_t width,
                        int label, float* upper, float* lower) {
  CheckPlane(probabilities, height, width, width);
  RequireResult(classes >= 1 && label >= 0 && label < std::max<int64_t>(classes, 2),
                "label " + std::to_string(label) + " of " + std::to_string(classes) +
                    " classes does not exist");
  RequireResult(upper != nullptr && lower != nullptr, "upper or lower is null");
  const int64_t pixels = CheckedMul(height, width, "probabilities");
  CheckedMul(pixels, CheckedMul(classes, sizeof(float), "probabilities"), "probabilities");
  for (int64_t x = 0; x < width; ++x) {
    // By how much the class leads; among equals the lowest label is the result.
    const auto lead = [&](int64_t y) {
      const float* const pixel = probabilities + y * width + x;
      if (classes == 1) return label == 1 ? *pixel - 0.5f : 0.5f - *pixel;
      float other = -std::numeric_limits<float>::infinity();
      for (int64_t k = 0; k < classes; ++k)
        if (k != label) other = std::max(other, pixel[k * pixels]);
      return pixel[label * pixels] - other;
    };
    const auto is = [&](int64_t y) {
      const float by = lead(y);
      if (by != 0) return by > 0;
      if (classes == 1) return label == 0;
      for (int64_t k = 0; k < label; ++k)
        if (probabilities[k * pixels + y * width + x] ==
            probabilities[label * pixels + y * width + x])
          return false;
      return true;
    };
    const Rows run = LongestRun(height, is);
    if (run.begin == run.end) {
      upper[x] = lower[x] = kAbsent;
      continue;
    }
    // From the pixel outside to the one inside, which differ in sign.
    const auto crossing = [&](int64_t outside, int64_t inside) {
      const float out = lead(outside), in = lead(inside);
      const float part = in == out ? 0.5f : out / (out - in);
      return static_cast<float>(outside) + part * static_cast<float>(inside - outside);
    };
    upper[x] = run.begin == 0 ? -0.5f : crossing(run.begin - 1, run.begin);
    lower[x] =
        run.end == height ? static_cast<float>(height) - 0.5f : crossing(run.end, run.end - 1);
  }
}

void LabelsToBoundaries(const LabelView& labels, int label, float* upper, float* lower) {
  CheckLabels(labels);
  RequireResult(label >= 0 && label <= 255,
                "label " + std::to_string(label) + " must be from 0 to 255");
  RequireResult(upper != nullptr && lower != nullptr, "upper or lower is null");
  for (int64_t x = 0; x < labels.width; ++x) {
    const Rows run = LongestRun(
        labels.height, [&](int64_t y) { return labels.data[y * labels.row_stride + x] == label; });
    const bool absent = run.begin == run.end;
    upper[x] = absent ? kAbsent : static_cast<float>(run.begin) - 0.5f;
    lower[x] = absent ? kAbsent : static_cast<float>(run.end) - 0.5f;
  }
}

}  // namespace pyengine
