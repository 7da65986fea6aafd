// Whether an image can be on the scale that a network was trained with.
#pragma once

#include "pyengine/value_range.h"
#include "tiling/checked_image.h"

namespace pyengine {

// `trained`: type of the training images; float32 says nothing of their scale.
ValueRange CompareRange(const CheckedImage& image, PixelType trained);

}  // namespace pyengine
