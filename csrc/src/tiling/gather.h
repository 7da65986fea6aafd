// Pixels beyond the image: which rows they come from, and the padded, normalised copy of a window.
#pragma once

#include <cstdint>

#include "core/range.h"
#include "preprocessing/normalisation.h"
#include "pyengine/image_view.h"
#include "tiling/border_index.h"

namespace pyengine {

// Rows of an image of `height` from which rows [begin, end) of the endless plane follow.
Range RowsBehind(Range plane_rows, int64_t height, PaddingMode mode);

// Copies row y, columns [x, x + width), of channel `channel` of the endless image into `out`, as
// the network takes them; what kConstant puts beyond the image is 0 there. The image's needed rows
// must be present in the view.
void GatherRow(const ImageView& image, PaddingMode mode, int64_t channel, int64_t y, int64_t x,
               int64_t width, const Normalisation& normalisation, float* out);

}  // namespace pyengine
