// An image that was looked at: the facade makes one of what the caller brought, and everything
// below takes it and asks nothing again.
#pragma once

#include <cstdint>

#include "core/thread_pool.h"
#include "preprocessing/normalisation.h"
#include "pyengine/image_view.h"

namespace pyengine {

// Larger images are refused: products of pixels, channels (2^20 at most) and bytes stay within 64
// bits.
constexpr int64_t kMaxSidePx = int64_t(1) << 30;
constexpr int64_t kMaxImagePx = int64_t(1) << 40;

// Of one stored value; 1 where values share bytes.
int64_t ValueBytes(PixelType type);

// Whether pixels share bytes, and how many a row of them has.
inline bool IsPacked(PixelType type) {
  return type == PixelType::kUint12LowFirst || type == PixelType::kUint12HighFirst;
}
inline int64_t PackedRowBytes(int64_t width) {
  return (width * 12 + 7) / 8;
}

// Throws Error(kInvalidArgument) unless both sides are from 1 to kMaxSidePx and their product is at
// most kMaxImagePx.
void CheckSize(int64_t height, int64_t width);

// Pixel (y, x) of an image, counted from the end along a flipped axis, becomes pixel (y, x), or
// (x, y) where it is transposed: all eight symmetries of a square.
struct Symmetry {
  bool flip_y = false, flip_x = false, transpose = false;
};

// Dense float planes (channels, height, width).
ImageView PlanarView(const float* planes, int64_t channels, int64_t height, int64_t width);

class CheckedImage {
 public:
  // An image in host memory. Throws Error(kInvalidArgument) with the value and the rule: size,
  // channels, type, rows, strides and alignment of the data, and values that are not finite, which
  // all threads of `pool` look for.
  CheckedImage(const ImageView& view, int64_t channels, ThreadPool& pool);
  // The same in the memory of a device, where values are not looked at.
  static CheckedImage OnDevice(const ImageView& view, int64_t channels);

  // `rows` is set, and strides of axes with one index are 0.
  const ImageView& view() const noexcept { return view_; }
  bool whole() const noexcept { return view_.rows == view_.height; }

  // The same pixels in another order; of a whole image.
  CheckedImage Turned(const Symmetry& symmetry) const;

  // The same image, whose pixels become the network's input by `own` instead of by what the network
  // does with every image. Borrowed.
  CheckedImage Normalised(const Normalisation& own) const;
  const Normalisation& NormalisationOr(const Normalisation& of_network) const noexcept {
    // Callers hand in what lives as long as the image. NOLINTNEXTLINE(*-return-const-ref-*)
    return normalisation_ == nullptr ? of_network : *normalisation_;
  }

 private:
  CheckedImage(const ImageView& view, int64_t channels);

  ImageView view_;
  const Normalisation* normalisation_ = nullptr;
};

}  // namespace pyengine
