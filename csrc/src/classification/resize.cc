#include "classification/resize.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

namespace pyengine {
namespace {

// The input pixels [begin, begin + weights.size()) of one output pixel, and their shares of it.
struct Tap {
  int64_t begin = 0;
  std::vector<double> weights;
};

// A triangle around each output pixel's centre: one input pixel wide on each side, or one step
// where steps are longer.
std::vector<Tap> Taps(int64_t in_size, int64_t out_size) {
  const double step = static_cast<double>(in_size) / static_cast<double>(out_size);
  const double support = std::max(step, 1.0);
  const double per_pixel = 1.0 / support;
  std::vector<Tap> taps(static_cast<size_t>(out_size));
  for (int64_t i = 0; i < out_size; ++i) {
    const double centre = (static_cast<double>(i) + 0.5) * step;
    const int64_t begin = std::max<int64_t>(static_cast<int64_t>(centre - support + 0.5), 0);
    const int64_t end = std::min(static_cast<int64_t>(centre + support + 0.5), in_size);
    Tap& tap = taps[static_cast<size_t>(i)];
    tap.begin = begin;
    double sum = 0;
    for (int64_t at = begin; at < end; ++at) {
      const double distance =
          std::abs((static_cast<double>(at) - centre + 0.5) * per_pixel);
      tap.weights.push_back(distance < 1.0 ? 1.0 - distance : 0.0);
      sum += tap.weights.back();
    }
    for (double& weight : tap.weights) weight /= sum;
  }
  return taps;
}

// One output value; its inputs lie `stride` apart.
float Mix(const Tap& tap, const float* line, int64_t stride) {
  double sum = 0;
  const float* value = line + tap.begin * stride;
  for (const double weight : tap.weights) {
    sum += static_cast<double>(*value) * weight;
    value += stride;
  }
  return static_cast<float>(sum);
}

}  // namespace

void ResizePlane(const float* in, PlaneSize in_size, float* out, PlaneSize out_size) {
  // A direction that keeps its size is copied.
  std::vector<float> narrow;
  if (in_size.width != out_size.width) {
    const std::vector<Tap> columns = Taps(in_size.width, out_size.width);
    narrow.resize(static_cast<size_t>(in_size.height * out_size.width));
    for (int64_t y = 0; y < in_size.height; ++y)
      for (int64_t x = 0; x < out_size.width; ++x)
        narrow[y * out_size.width + x] = Mix(columns[x], in + y * in_size.width, 1);
    in = narrow.data();
  }
  if (in_size.height == out_size.height) {
    std::memcpy(out, in,
                static_cast<size_t>(out_size.height * out_size.width) * sizeof(float));
    return;
  }
  const std::vector<Tap> rows = Taps(in_size.height, out_size.height);
  for (int64_t y = 0; y < out_size.height; ++y)
    for (int64_t x = 0; x < out_size.width; ++x)
      out[y * out_size.width + x] = Mix(rows[y], in + x, out_size.width);
}

}  // namespace pyengine
