#include "tiling/exact.h"

#include <algorithm>

#include "tiling/exact_pass.h"
#include "tiling/gather.h"

namespace pyengine {

void SegmentExact(const WindowRunner& runner, const TileLayout& layout, const CheckedImage& image,
                  Range band, const OutputView& out, const SegmentOptions& options) {
  const ImageView& view = image.view();
  const int64_t tile_height = layout.plan.tile.height, top = layout.part().rows.begin;
  PixelRect wanted = RegionOf(options, view.height, view.width);
  // A region may begin within a row of tiles.
  if (band.begin <= wanted.rows.begin) band.begin = top;
  band.end = std::min(band.end, layout.part().rows.end);
  RequireRows(view, tile_height, band.begin - top,
              RowsBehind(layout.PlaneRows(band), view.height, options.padding));
  wanted.rows = {.begin = std::max(band.begin, wanted.rows.begin),
                 .end = std::min(band.end, wanted.rows.end)};
  ExactPass pass(runner, layout, image, wanted, out, options);
  for (int64_t row = (band.begin - top) / tile_height;
       row < layout.plan.tiles_down && layout.Origin(row, 0).row < wanted.rows.end; ++row)
    pass.Row(row);
  if (options.report) options.report(pass.report());
}

}  // namespace pyengine
