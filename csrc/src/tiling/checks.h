// What both tilers ask of images and bands.
#pragma once

#include "graph/geometry.h"
#include "pyengine/image_view.h"

namespace pyengine {

// Of one stored value.
int64_t ValueBytes(PixelType type);

// All that follow throw Error(kInvalidArgument) with the value and the rule.

// Size, channels, strides and data.
void CheckImage(const ImageView& image, const NetworkGeometry& network);
// 0 <= row_begin < row_end <= height.
void CheckBand(int64_t height, int64_t row_begin, int64_t row_end);
// Bands begin with a row of tiles, and the view holds the rows `needed`.
void RequireRows(const ImageView& image, int64_t tile_height, int64_t row_begin, Range needed);

}  // namespace pyengine
