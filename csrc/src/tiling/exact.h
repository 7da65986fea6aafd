// Exact tiles: bit for bit what one tile of the whole image gives.
#pragma once

#include "tiling/tile_layout.h"
#include "tiling/window_runner.h"

namespace pyengine {

// As Segmenter::Segment; `layout` is of the options' region.
void SegmentExact(const WindowRunner& runner, const TileLayout& layout, const CheckedImage& image,
                  Range rows, const OutputView& out, const SegmentOptions& options);

}  // namespace pyengine
