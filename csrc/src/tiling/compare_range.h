// Whether an image can be on the scale that a network was trained with.
#pragma once

#include "pyengine/value_range.h"
#include "tiling/checked_image.h"
#include "tiling/plain_pixels.h"

namespace pyengine {

// `image` holds what `source` made of values that were stored as `stored`. `trained`: type of the
// training images; float32 says nothing of their scale.
ValueRange CompareRange(const CheckedImage& image, PixelType stored, const SourceScale& source,
                        PixelType trained);

}  // namespace pyengine
