// Pixels beyond the image: index maps, and the padded, normalised copy of one window.
#pragma once

#include <cstdint>

#include "engine_file.h"
#include "pyengine/image_view.h"
#include "pyengine/options.h"

namespace pyengine {

// The index inside [0, size) that stands for index i of the endless line; -1 for kConstant
// outside. Reflection repeats with period 2 * (size - 1) and does not repeat the edge pixel, as
// numpy.pad(mode="reflect"), also when the padding exceeds the image; one pixel repeats itself.
int64_t BorderIndex(int64_t i, int64_t size, PaddingMode mode);

// Copies rows [y, y + 1) x columns [x, x + width) of channel `channel` of the endless image into
// `out`, as value * gain + offset. The image's needed rows must be present in the view.
void GatherRow(const ImageView& image, PaddingMode mode, int64_t channel, int64_t y, int64_t x,
               int64_t width, float gain, float offset, float* out);

// Throws Error(kInvalidArgument) with count and first position if a float32 image holds NaN or
// infinity in the rows present.
void RefuseNonFinite(const ImageView& image);

}  // namespace pyengine
