#include "cuda/packing.h"

#include <cstring>

#include "tiling/checked_image.h"

namespace pyengine {

int64_t OutputBytes(OutputKind kind, int64_t classes, int64_t pixels) {
  return kind == OutputKind::kLabels ? pixels : pixels * classes * 4;
}

void Pack(const ImageView& image, Range rows, char* out) {
  const int64_t value = ValueBytes(image.type);
  const bool dense = image.pixel_stride_bytes == value * image.channels &&
                     (image.channels == 1 || image.channel_stride_bytes == value);
  const int64_t row_bytes = image.width * image.channels * value;
  for (int64_t y = rows.begin; y < rows.end; ++y) {
    const char* line =
        static_cast<const char*>(image.data) + (y - image.first_row) * image.row_stride_bytes;
    if (dense) {
      std::memcpy(out, line, static_cast<size_t>(row_bytes));
      out += row_bytes;
      continue;
    }
    for (int64_t x = 0; x < image.width; ++x)
      for (int64_t c = 0; c < image.channels; ++c, out += value)
        std::memcpy(out, line + x * image.pixel_stride_bytes + c * image.channel_stride_bytes,
                    static_cast<size_t>(value));
  }
}

ImageView PackedView(const ImageView& image, Range rows, const void* data) {
  const int64_t value = ValueBytes(image.type), pixel = value * image.channels;
  return {.data = data,
          .type = image.type,
          .height = image.height,
          .width = image.width,
          .channels = image.channels,
          .row_stride_bytes = image.width * pixel,
          .pixel_stride_bytes = pixel,
          .channel_stride_bytes = value,
          .first_row = rows.begin,
          .rows = rows.size()};
}

void Unpack(const char* in, int64_t classes, int64_t rows, int64_t width, int64_t row_begin,
            const OutputView& out) {
  const bool labels = out.kind == OutputKind::kLabels;
  const int64_t value = labels ? 1 : 4, planes = labels ? 1 : classes;
  for (int64_t k = 0; k < planes; ++k)
    for (int64_t y = 0; y < rows; ++y, in += width * value)
      std::memcpy(
          static_cast<char*>(out.data) +
              (k * out.plane_stride + (row_begin + y - out.first_row) * out.row_stride) * value,
          in, static_cast<size_t>(width * value));
}

}  // namespace pyengine
