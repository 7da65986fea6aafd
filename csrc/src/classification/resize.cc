#include "classification/resize.h"

#include <algorithm>
#include <cmath>
#include <vector>

namespace pyengine {
namespace {

// The input pixels [begin, begin + weights.size()) of one output pixel, and their shares of it.
struct Tap {
  int64_t begin = 0;
  std::vector<double> weights;
};

// Halves go up.
int64_t Rounded(double value) {
  return static_cast<int64_t>(std::floor(value + 0.5));
}

// A triangle around each output pixel's centre: one input pixel wide on each side, or one step
// where steps are longer.
std::vector<Tap> Taps(int64_t in_size, int64_t out_size) {
  const double step = static_cast<double>(in_size) / static_cast<double>(out_size);
  const double support = std::max(step, 1.0);
  const double per_pixel = 1.0 / support;
  std::vector<Tap> taps(static_cast<size_t>(out_size));
  for (int64_t i = 0; i < out_size; ++i) {
    const double centre = (static_cast<double>(i) + 0.5) * step;
    const int64_t begin = std::max<int64_t>(Rounded(centre - support), 0);
    const int64_t end = std::min(Rounded(centre + support), in_size);
    Tap& tap = taps[static_cast<size_t>(i)];
    tap.begin = begin;
    double sum = 0;
    for (int64_t at = begin; at < end; ++at) {
      const double distance = std::abs((static_cast<double>(at) - centre + 0.5) * per_pixel);
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

// Rows of `size.width` values to rows of `width`.
std::vector<float> ResizeRows(const float* in, PlaneSize size, int64_t width) {
  const std::vector<Tap> taps = Taps(size.width, width);
  std::vector<float> out(static_cast<size_t>(size.height * width));
  for (int64_t y = 0; y < size.height; ++y)
    for (int64_t x = 0; x < width; ++x) out[y * width + x] = Mix(taps[x], in + y * size.width, 1);
  return out;
}

// Columns of `size.height` values to columns of `height`.
std::vector<float> ResizeColumns(const float* in, PlaneSize size, int64_t height) {
  const std::vector<Tap> taps = Taps(size.height, height);
  std::vector<float> out(static_cast<size_t>(height * size.width));
  for (int64_t y = 0; y < height; ++y)
    for (int64_t x = 0; x < size.width; ++x)
      out[y * size.width + x] = Mix(taps[y], in + x, size.width);
  return out;
}

}  // namespace

std::vector<float> ResizePlane(std::vector<float> plane, PlaneSize from, PlaneSize to) {
  // First the direction after which the other has less to do, by Pillow's rule.
  const int64_t fewer_rows = from.height - to.height, fewer_columns = from.width - to.width;
  const bool columns_first = fewer_rows > 0 && fewer_rows > 2 * fewer_columns;
  for (const bool columns : {columns_first, !columns_first}) {
    if (columns && from.height != to.height) {
      plane = ResizeColumns(plane.data(), from, to.height);
      from.height = to.height;
    } else if (!columns && from.width != to.width) {
      plane = ResizeRows(plane.data(), from, to.width);
      from.width = to.width;
    }
  }
  return plane;
}

}  // namespace pyengine
