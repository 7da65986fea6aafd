#include "stream/slot.h"

#include <algorithm>
#include <cstring>

#include "core/checked_math.h"
#include "tiling/checked_image.h"

namespace pyengine {
namespace {

AlignedBuffer<std::byte> PresentBytes(size_t count) {
  AlignedBuffer<std::byte> bytes(count);
  std::fill_n(bytes.data(), count, std::byte{0});
  return bytes;
}

// Pixels that share bytes come row by row, channel by channel.
template <class Visit>
void VisitPackedRows(const Frame& frame, const Visit& visit) {
  const ImageView& image = frame.image;
  for (int64_t slice = 0; slice < frame.slices; ++slice)
    for (int64_t c = 0; c < image.channels; ++c)
      for (int64_t y = 0; y < image.height; ++y)
        visit(static_cast<const char*>(image.data) + slice * frame.slice_stride_bytes +
                  c * image.channel_stride_bytes + y * image.row_stride_bytes,
              PackedRowBytes(image.width));
}

// Calls `visit` with every pixel's address and its number of bytes, or whole rows where dense.
template <class Visit>
void VisitPixels(const Frame& frame, const Visit& visit) {
  const ImageView& image = frame.image;
  if (IsPacked(image.type)) return VisitPackedRows(frame, visit);
  const int64_t value = ValueBytes(image.type);
  const bool dense = image.pixel_stride_bytes == value * image.channels &&
                     (image.channels == 1 || image.channel_stride_bytes == value);
  for (int64_t slice = 0; slice < frame.slices; ++slice)
    for (int64_t y = 0; y < image.height; ++y) {
      const char* row = static_cast<const char*>(image.data) + slice * frame.slice_stride_bytes +
                        y * image.row_stride_bytes;
      if (dense) {
        visit(row, image.width * image.channels * value);
        continue;
      }
      for (int64_t x = 0; x < image.width; ++x)
        for (int64_t c = 0; c < image.channels; ++c)
          visit(row + x * image.pixel_stride_bytes + c * image.channel_stride_bytes, value);
    }
}

}  // namespace

SlotMemory::SlotMemory(const SlotSizes& sizes)
    : pixels(PresentBytes(sizes.pixels)), result(PresentBytes(sizes.result)) {}

void Slot::Fail(ErrorCode code, const char* why) noexcept {
  result.status = FrameStatus::kFailed;
  result.error = code;
  const size_t length = std::min(std::strlen(why), sizeof message - 1);
  std::memcpy(message, why, length);
  message[length] = '\0';
}

int64_t DensePixelBytes(PixelType type, int64_t slices, int64_t height, int64_t width,
                        int64_t channels) {
  const int64_t row = IsPacked(type) ? PackedRowBytes(width) : width;
  const int64_t pixels = CheckedMul(CheckedMul(height, row, "frame"), slices, "frame");
  return CheckedMul(CheckedMul(pixels, channels, "frame"), ValueBytes(type), "frame");
}

void CopyPixels(Frame& frame, SlotMemory& memory) {
  std::byte* to = memory.pixels.data();
  VisitPixels(frame, [&](const char* from, int64_t bytes) {
    std::memcpy(to, from, static_cast<size_t>(bytes));
    to += bytes;
  });
  ImageView& image = frame.image;
  const int64_t value = ValueBytes(image.type);
  image.data = memory.pixels.data();
  if (IsPacked(image.type)) {
    image.row_stride_bytes = PackedRowBytes(image.width);
    image.channel_stride_bytes = image.row_stride_bytes * image.height;
    frame.slice_stride_bytes = image.channel_stride_bytes * image.channels;
    return;
  }
  image.channel_stride_bytes = value;
  image.pixel_stride_bytes = value * image.channels;
  image.row_stride_bytes = image.width * image.pixel_stride_bytes;
  frame.slice_stride_bytes = image.height * image.row_stride_bytes;
}

uint64_t Seal(const Frame& frame) {
  uint64_t seal = 1469598103934665603u;  // FNV-1a
  VisitPixels(frame, [&](const char* from, int64_t bytes) {
    for (int64_t i = 0; i < bytes; ++i)
      seal = (seal ^ static_cast<unsigned char>(from[i])) * 1099511628211u;
  });
  return seal;
}

}  // namespace pyengine
