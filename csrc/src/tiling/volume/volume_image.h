// A volume that was looked at: its slices lie one below the other, as rows of one tall image.
#pragma once

#include <cstdint>

#include "pyengine/executor.h"
#include "tiling/checked_image.h"

namespace pyengine {

class VolumeImage {
 public:
  // `slices` has depth * height rows.
  VolumeImage(const CheckedImage& slices, int64_t depth) : slices_(slices), depth_(depth) {}

  TileSize size() const {
    return {
        .height = slices_.view().height / depth_, .width = slices_.view().width, .depth = depth_};
  }
  ImageView Slice(int64_t z) const {
    ImageView slice = slices_.view();
    slice.height = slice.rows = size().height;
    slice.data = static_cast<const char*>(slice.data) + z * slice.height * slice.row_stride_bytes;
    return slice;
  }
  const Normalisation& NormalisationOr(const Normalisation& of_network) const noexcept {
    // As CheckedImage's. NOLINTNEXTLINE(*-return-const-ref-*)
    return slices_.NormalisationOr(of_network);
  }

 private:
  const CheckedImage slices_;
  const int64_t depth_;
};

}  // namespace pyengine
