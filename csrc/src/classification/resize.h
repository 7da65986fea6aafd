// Images shrunk and enlarged as classifiers were trained on them.
#pragma once

#include <cstdint>

namespace pyengine {

struct PlaneSize {
  int64_t height = 0, width = 0;  // [px]
  bool operator==(const PlaneSize&) const = default;
};

// A dense plane, resized bilinearly. Where it shrinks, the filter grows with the step, so that no
// pixel is passed over (antialiasing). Bit for bit what Pillow's Image.resize does with BILINEAR on
// mode "F": columns first, sums in double, float32 between the two directions.
void ResizePlane(const float* in, PlaneSize in_size, float* out, PlaneSize out_size);

}  // namespace pyengine
