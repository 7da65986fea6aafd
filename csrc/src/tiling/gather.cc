#include "tiling/gather.h"

#include <algorithm>

#include "preprocessing/plain_type.h"
#include "preprocessing/read_row.h"

namespace pyengine {
namespace {

template <class T>
void GatherRowOf(const ImageView& image, PaddingMode mode, int64_t channel, int64_t row, int64_t x,
                 int64_t width, float gain, float offset, float* out) {
  const char* line = LineOf(image, channel, row);
  const int64_t step = image.pixel_stride_bytes;
  const auto outside = [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t column = BorderIndex(x + i, image.width, mode);
      out[i] = column < 0
                   ? 0.0f
                   : static_cast<float>(*reinterpret_cast<const T*>(line + column * step)) * gain +
                         offset;
    }
  };
  const int64_t left = std::clamp<int64_t>(-x, 0, width);
  const int64_t right = std::clamp<int64_t>(image.width - x, left, width);
  outside(0, left);
  if (step == sizeof(T)) {
    const T* pixels = reinterpret_cast<const T*>(line) + x;
    for (int64_t i = left; i < right; ++i) out[i] = static_cast<float>(pixels[i]) * gain + offset;
  } else {
    for (int64_t i = left; i < right; ++i)
      out[i] =
          static_cast<float>(*reinterpret_cast<const T*>(line + (x + i) * step)) * gain + offset;
  }
  outside(right, width);
}

}  // namespace

Range RowsBehind(Range plane_rows, int64_t height, PaddingMode mode) {
  const auto [first, last] = plane_rows;
  Range need{.begin = std::max<int64_t>(0, first), .end = std::min(height, last)};
  if (mode != PaddingMode::kReflect) return need;
  // What lies outside the image is mirrored from as far inside.
  if (first < 0) need.end = std::max(need.end, std::min(height, 1 - first));
  if (last > height)
    need.begin = std::max<int64_t>(0, std::min(need.begin, height - 1 - (last - height)));
  return need;
}

void GatherRow(const ImageView& image, PaddingMode mode, int64_t channel, int64_t y, int64_t x,
               int64_t width, const Normalisation& n, float* out) {
  const int64_t row = BorderIndex(y, image.height, mode);
  if (row < 0) {
    std::fill_n(out, width, 0.0f);
    return;
  }
  const float gain = n.gain[static_cast<size_t>(channel)];
  const float offset = n.offset[static_cast<size_t>(channel)];
  WithPlainType(image.type, [&](auto value) {
    GatherRowOf<decltype(value)>(image, mode, channel, row, x, width, gain, offset, out);
  });
  if (n.affine()) return;
  ApplyFurtherSteps(n, channel, out, width);
  if (mode != PaddingMode::kConstant) return;
  // Zero is put there after all steps.
  const int64_t left = std::clamp<int64_t>(-x, 0, width);
  const int64_t right = std::clamp<int64_t>(image.width - x, left, width);
  std::fill_n(out, left, 0.0f);
  std::fill(out + right, out + width, 0.0f);
}

}  // namespace pyengine
