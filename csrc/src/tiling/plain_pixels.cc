#include "tiling/plain_pixels.h"

#include <bit>
#include <cstring>

#include "core/checked_math.h"
#include "pyengine/error.h"
#include "tiling/checked_image.h"

namespace pyengine {
namespace {

// The bits of a value, whose bytes may lie the other way round.
template <class T>
T Load(const char* from, bool swapped) {
  unsigned char bytes[sizeof(T)];
  std::memcpy(bytes, from, sizeof(T));
  if (swapped)
    for (size_t i = 0; i < sizeof(T) / 2; ++i) std::swap(bytes[i], bytes[sizeof(T) - 1 - i]);
  T value;
  std::memcpy(&value, bytes, sizeof(T));
  return value;
}

class RowReader {
 public:
  RowReader(const ImageView& image, const SourceScale& source)
      : image_(image),
        scale_(source.factor()),
        offset_(source.offset),
        swapped_(image.byte_order != (std::endian::native == std::endian::little
                                          ? ByteOrder::kLittle
                                          : ByteOrder::kBig) &&
                 image.byte_order != ByteOrder::kNative) {}

  // Row `y` of those that are present.
  void Read(int64_t channel, int64_t y, float* out) const {
    const char* row = static_cast<const char*>(image_.data) + y * image_.row_stride_bytes +
                      channel * image_.channel_stride_bytes;
    switch (image_.type) {
      case PixelType::kUint8:
        return ReadAs<uint8_t>(row, out);
      case PixelType::kUint16:
        return ReadAs<uint16_t>(row, out);
      case PixelType::kFloat32:
        return ReadAs<float>(row, out);
      case PixelType::kInt8:
        return ReadAs<int8_t>(row, out);
      case PixelType::kInt16:
        return ReadAs<int16_t>(row, out);
      case PixelType::kUint32:
        return ReadAs<uint32_t>(row, out);
      case PixelType::kInt32:
        return ReadAs<int32_t>(row, out);
      case PixelType::kFloat64:
        return ReadAs<double>(row, out);
      case PixelType::kUint12LowFirst:
      case PixelType::kUint12HighFirst:
        return ReadPacked(row, out);
    }
  }

 private:
  float Value(double raw) const { return static_cast<float>(raw * scale_ + offset_); }

  template <class T>
  void ReadAs(const char* row, float* out) const {
    for (int64_t x = 0; x < image_.width; ++x)
      out[x] = Value(static_cast<double>(Load<T>(row + x * image_.pixel_stride_bytes, swapped_)));
  }

  void ReadPacked(const char* row, float* out) const {
    const auto* bytes = reinterpret_cast<const unsigned char*>(row);
    const bool low_first = image_.type == PixelType::kUint12LowFirst;
    for (int64_t x = 0; x < image_.width; ++x) {
      const unsigned char* at = bytes + x / 2 * 3 + x % 2;
      const unsigned first = at[0], second = at[1];
      unsigned raw;
      if (low_first)
        raw = x % 2 == 0 ? first | (second & 0xF) << 8 : first >> 4 | second << 4;
      else
        raw = x % 2 == 0 ? first << 4 | second >> 4 : (first & 0xF) << 8 | second;
      out[x] = Value(raw);
    }
  }

  const ImageView& image_;
  const double scale_, offset_;
  const bool swapped_;
};

bool IsPlain(const ImageView& image, const SourceScale& source) {
  const bool known = image.type == PixelType::kUint8 || image.type == PixelType::kUint16 ||
                     image.type == PixelType::kFloat32;
  return known && (image.byte_order == ByteOrder::kNative || image.type == PixelType::kUint8) &&
         source.none();
}

}  // namespace

PlainPixels::PlainPixels(const ImageView& image, int64_t channels, const SourceScale& source,
                         ThreadPool& pool, Buffers& buffers)
    : buffer_(buffers.Borrow()), view_(image) {
  if (IsPlain(image, source)) return;
  const ImageView checked = CheckedImage::OnDevice(image, channels).view();  // all but the values
  const int64_t plane = checked.rows * checked.width;
  const auto floats = static_cast<size_t>(CheckedMul(plane, channels, "image"));
  if (buffer_->size() < floats) *buffer_ = AlignedBuffer<float>(floats);
  const RowReader reader(checked, source);
  pool.ParallelFor(channels * checked.rows, [&](int64_t i) {
    reader.Read(i / checked.rows, i % checked.rows, buffer_->data() + i * checked.width);
  });
  view_.data = buffer_->data();
  view_.type = PixelType::kFloat32;
  view_.byte_order = ByteOrder::kNative;
  view_.pixel_stride_bytes = sizeof(float);
  view_.row_stride_bytes = view_.pixel_stride_bytes * checked.width;
  view_.channel_stride_bytes = view_.row_stride_bytes * checked.rows;
}

}  // namespace pyengine
