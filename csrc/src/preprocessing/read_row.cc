#include "preprocessing/read_row.h"

#include <cstddef>

#include "preprocessing/plain_type.h"

namespace pyengine {
namespace {

template <class T>
void ConvertRow(const char* line, int64_t step, int64_t width, float gain, float offset,
                float* out) {
  for (int64_t x = 0; x < width; ++x)
    out[x] = static_cast<float>(*reinterpret_cast<const T*>(line + x * step)) * gain + offset;
}

}  // namespace

const char* LineOf(const ImageView& image, int64_t channel, int64_t row) {
  return static_cast<const char*>(image.data) + (row - image.first_row) * image.row_stride_bytes +
         channel * image.channel_stride_bytes;
}

void ReadRow(const ImageView& image, int64_t channel, int64_t row, const Normalisation& n,
             float* out) {
  const char* line = LineOf(image, channel, row);
  const int64_t step = image.pixel_stride_bytes;
  const float gain = n.gain[static_cast<size_t>(channel)];
  const float offset = n.offset[static_cast<size_t>(channel)];
  WithPlainType(image.type, [&](auto value) {
    ConvertRow<decltype(value)>(line, step, image.width, gain, offset, out);
  });
  ApplyFurtherSteps(n, channel, out, image.width);
}

}  // namespace pyengine
