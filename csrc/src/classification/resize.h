// Images shrunk and enlarged as classifiers were trained on them.
#pragma once

#include <cstdint>
#include <vector>

namespace pyengine {

struct PlaneSize {
  int64_t height = 0, width = 0;  // [px]
};

// A dense plane, resized bilinearly. Where it shrinks, the filter grows with the step, so that no
// pixel is passed over (antialiasing). Bit for bit what Image.resize of Pillow 13 does with
// BILINEAR on mode "F": sums in double, float32 between the two directions. (Older ones always
// began with the rows of pixels, which may change the last bit.)
std::vector<float> ResizePlane(std::vector<float> plane, PlaneSize from, PlaneSize to);

}  // namespace pyengine
