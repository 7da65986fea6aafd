/// \file
/// Borrowed pixels: the caller keeps the memory, the library only reads it during a call.
#pragma once

#include <cstdint>

namespace pyengine {

/// Type of one stored pixel value.
enum class PixelType {
  kUint8 = 0,
  kUint16 = 1,
  kFloat32 = 2,
  kInt8 = 3,
  kInt16 = 4,
  kUint32 = 5,
  kInt32 = 6,
  kFloat64 = 7,
  /// Two pixels in three bytes, from the lowest bit on ("Mono12p"). The pixel stride means nothing;
  /// rows begin with a byte.
  kUint12LowFirst = 8,
  kUint12HighFirst = 9,  ///< The same from the highest bit on (DICOM, TIFF, MIPI).
};

/// Order of the bytes of a value.
enum class ByteOrder { kNative, kLittle, kBig };

/// An image, or a run of rows of a larger one. Strides may be negative; values lie at multiples of
/// their size. Sides have at most 2^30 px.
struct ImageView {
  const void* data = nullptr;  ///< First value of row `first_row`.
  PixelType type = PixelType::kUint8;
  int64_t height = 0;  ///< Rows of the whole image [px].
  int64_t width = 0;   ///< Columns [px].
  int64_t channels = 1;
  int64_t row_stride_bytes = 0;
  int64_t pixel_stride_bytes = 0;
  int64_t channel_stride_bytes = 0;
  int64_t first_row = 0;  ///< Index in the whole image of the first row present.
  int64_t rows = 0;       ///< Rows present; 0 means all of them.
  ByteOrder byte_order = ByteOrder::kNative;
};

}  // namespace pyengine
