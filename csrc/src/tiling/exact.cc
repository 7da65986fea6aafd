#include "tiling/exact.h"

#include <algorithm>

#include "tiling/gather.h"
#include "tiling/progress.h"

namespace pyengine {

void SegmentExact(const WindowRunner& runner, const TileLayout& layout, const CheckedImage& image,
                  Range band, const OutputView& out, const SegmentOptions& options) {
  const ImageView& view = image.view();
  const TilePlan& plan = layout.plan;
  const NetworkGeometry& net = runner.net();
  const PixelRect region = RegionOf(options, view.height, view.width);
  if (options.has_region()) band = layout.part().rows;
  RequireRows(view, plan.tile.height, band.begin - layout.part().rows.begin,
              RowsBehind(layout.PlaneRows(band), view.height, options.padding));

  const TileSize largest = layout.LargestWindow();
  auto buffers = runner.Borrow(largest.height * largest.width * net.channels * plan.batch_size,
                               plan.tile.height * plan.tile.width * net.classes * plan.batch_size);
  float* windows = buffers->windows.data();
  float* logits = buffers->logits.data();
  const PixelRect wanted = {.rows = options.has_region() ? region.rows : band,
                            .columns = region.columns};
  int64_t row = (band.begin - layout.part().rows.begin) / plan.tile.height;
  int64_t done = row * plan.tiles_across;
  for (; layout.Origin(row, 0).row < band.end; ++row) {
    const Range rows = layout.WindowRows(row);
    for (int64_t column = 0; column < plan.tiles_across;) {
      // Neighbours of one kind go through the network together.
      const Tile tile = layout.At(row, column);
      const int64_t window_floats =
          rows.size() * layout.WindowColumns(column).size() * net.channels;
      const int64_t logit_floats = tile.size.height * tile.size.width * net.classes;
      int64_t n = 0;
      for (; n < plan.batch_size && column + n < plan.tiles_across &&
             layout.At(row, column + n) == tile;
           ++n) {
        const Range columns = layout.WindowColumns(column + n);
        runner.Gather(image, options.padding, rows.begin, columns.begin, rows.size(),
                      columns.size(), windows + n * window_floats);
      }
      runner.RunTile(windows, logits, n, tile);
      for (int64_t i = 0; i < n; ++i) {
        const auto [y, x] = layout.Origin(row, column + i);
        runner.Write(logits + i * logit_floats, tile.size, y, x, wanted, out);
      }
      column += n;
      done += n;
      ReportProgress(options, done, plan.tiles_down * plan.tiles_across);
    }
  }
}

}  // namespace pyengine
