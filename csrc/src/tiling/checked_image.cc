#include "tiling/checked_image.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <limits>
#include <string>
#include <utility>

#include "core/checked_math.h"
#include "pyengine/error.h"

namespace pyengine {
namespace {

[[noreturn]] void Refuse(const std::string& problem) {
  throw Error(ErrorCode::kInvalidArgument, problem);
}

void CheckType(PixelType type) {
  switch (type) {
    case PixelType::kUint8:
    case PixelType::kUint16:
    case PixelType::kFloat32:
    case PixelType::kInt8:
    case PixelType::kInt16:
    case PixelType::kUint32:
    case PixelType::kInt32:
    case PixelType::kFloat64:
    case PixelType::kUint12LowFirst:
    case PixelType::kUint12HighFirst:
      return;
  }
  Refuse("pixel type " + std::to_string(static_cast<int64_t>(type)) +
         " is not one of PixelType, 0 to 9");
}

void CheckRows(ImageView& view) {
  if (view.rows == 0) view.rows = view.height;
  if (view.first_row < 0 || view.rows < 0 || view.rows > view.height ||
      view.first_row > view.height - view.rows)
    Refuse("rows from " + std::to_string(view.first_row) + " on, " + std::to_string(view.rows) +
           " of them, are not within the image of " + std::to_string(view.height) + " rows");
}

// Values lie at multiples of their size, and all offsets of pixels are addresses.
void CheckMemory(ImageView& view) {
  if (view.data == nullptr) Refuse("the image has no data");
  const int64_t value_bytes = ValueBytes(view.type);
  const auto address = static_cast<int64_t>(reinterpret_cast<uintptr_t>(view.data));
  if (address % value_bytes != 0)
    Refuse("the image's data must lie at a multiple of the value's " + std::to_string(value_bytes) +
           " bytes; copy it");
  int64_t first = address, last = CheckedAdd(address, value_bytes, "image");
  if (IsPacked(view.type)) {
    view.pixel_stride_bytes = 0;
    last = CheckedAdd(last, PackedRowBytes(view.width), "image");
  }
  const std::pair<int64_t*, int64_t> axes[] = {{&view.row_stride_bytes, view.rows},
                                               {&view.pixel_stride_bytes, view.width},
                                               {&view.channel_stride_bytes, view.channels}};
  for (const auto& [stride, count] : axes) {
    if (count == 1) *stride = 0;  // it means nothing, and may be anything
    if (*stride % value_bytes != 0)
      Refuse("stride " + std::to_string(*stride) + " bytes must be a multiple of the value's " +
             std::to_string(value_bytes) + " bytes");
    const int64_t span = CheckedMul(*stride, count - 1, "image");
    int64_t& end = span < 0 ? first : last;
    end = CheckedAdd(end, span, "image");
  }
  if (first < 0) Refuse("the image's strides lead out of the address space");
}

const float& ValueAt(const ImageView& view, int64_t y, int64_t x, int64_t c) {
  return *reinterpret_cast<const float*>(static_cast<const char*>(view.data) +
                                         y * view.row_stride_bytes + x * view.pixel_stride_bytes +
                                         c * view.channel_stride_bytes);
}

bool IsFinite(const ImageView& view, int64_t row) {
  bool finite = true;
  for (int64_t c = 0; c < view.channels; ++c)
    for (int64_t x = 0; x < view.width; ++x)
      finite &= std::fabs(ValueAt(view, row, x, c)) <= std::numeric_limits<float>::max();
  return finite;
}

[[noreturn]] void RefuseNonFinite(const ImageView& view) {
  int64_t count = 0, first_y = 0, first_x = 0, first_c = 0;
  for (int64_t y = 0; y < view.rows; ++y)
    for (int64_t c = 0; c < view.channels; ++c)
      for (int64_t x = 0; x < view.width; ++x) {
        if (std::isfinite(ValueAt(view, y, x, c))) continue;
        if (count++ == 0) first_y = y + view.first_row, first_x = x, first_c = c;
      }
  Refuse("the image holds " + std::to_string(count) + " NaN or infinite values, the first at row " +
         std::to_string(first_y) + ", column " + std::to_string(first_x) + ", channel " +
         std::to_string(first_c) + "; all values must be finite");
}

void CheckValues(const ImageView& view, ThreadPool& pool) {
  if (view.type != PixelType::kFloat32) return;
  constexpr int64_t kRowsPerPiece = 16;
  std::atomic<bool> finite{true};
  pool.ParallelFor(CeilDiv(view.rows, kRowsPerPiece), [&](int64_t piece) {
    const int64_t end = std::min(view.rows, (piece + 1) * kRowsPerPiece);
    for (int64_t y = piece * kRowsPerPiece; y < end; ++y)
      if (!IsFinite(view, y)) finite.store(false, std::memory_order_relaxed);
  });
  if (!finite) RefuseNonFinite(view);
}

}  // namespace

int64_t ValueBytes(PixelType type) {
  switch (type) {
    case PixelType::kUint8:
      return 1;
    case PixelType::kUint16:
      return 2;
    case PixelType::kFloat32:
      return 4;
    case PixelType::kInt8:
    case PixelType::kUint12LowFirst:  // a byte is their unit
    case PixelType::kUint12HighFirst:
      return 1;
    case PixelType::kInt16:
      return 2;
    case PixelType::kUint32:
    case PixelType::kInt32:
      return 4;
    case PixelType::kFloat64:
      return 8;
  }
  return 4;
}

void CheckSize(int64_t height, int64_t width) {
  const std::string size = std::to_string(height) + " x " + std::to_string(width) + " px";
  if (height < 1 || width < 1) Refuse("the image is " + size + ", needs at least 1 x 1");
  if (height > kMaxSidePx || width > kMaxSidePx)
    Refuse("the image is " + size + ", sides may have " + std::to_string(kMaxSidePx) +
           " px at most");
  if (height * width > kMaxImagePx)
    Refuse("the image is " + size + ", which is more than " + std::to_string(kMaxImagePx) + " px");
}

ImageView PlanarView(const float* planes, int64_t channels, int64_t height, int64_t width) {
  constexpr auto kBytes = static_cast<int64_t>(sizeof(float));
  return {.data = planes,
          .type = PixelType::kFloat32,
          .height = height,
          .width = width,
          .channels = channels,
          .row_stride_bytes = width * kBytes,
          .pixel_stride_bytes = kBytes,
          .channel_stride_bytes = height * width * kBytes};
}

CheckedImage::CheckedImage(const ImageView& view, int64_t channels) : view_(view) {
  CheckSize(view.height, view.width);
  if (view.channels != channels)
    Refuse("the image has " + std::to_string(view.channels) + " channels, the network needs " +
           std::to_string(channels));
  CheckType(view.type);
  CheckRows(view_);
  CheckMemory(view_);
}

CheckedImage::CheckedImage(const ImageView& view, int64_t channels, ThreadPool& pool)
    : CheckedImage(view, channels) {
  CheckValues(view_, pool);
}

CheckedImage CheckedImage::OnDevice(const ImageView& view, int64_t channels) {
  return {view, channels};
}

CheckedImage CheckedImage::Normalised(const Normalisation& own) const {
  CheckedImage normalised = *this;
  normalised.normalisation_ = &own;
  return normalised;
}

CheckedImage CheckedImage::Turned(const Symmetry& s) const {
  CheckedImage turned = *this;
  ImageView& view = turned.view_;
  const char* data = static_cast<const char*>(view.data);
  if (s.flip_y) {
    data += (view.height - 1) * view.row_stride_bytes;
    view.row_stride_bytes = -view.row_stride_bytes;
  }
  if (s.flip_x) {
    data += (view.width - 1) * view.pixel_stride_bytes;
    view.pixel_stride_bytes = -view.pixel_stride_bytes;
  }
  view.data = data;
  if (s.transpose) {
    std::swap(view.height, view.width);
    std::swap(view.row_stride_bytes, view.pixel_stride_bytes);
    view.rows = view.height;
  }
  return turned;
}

}  // namespace pyengine
