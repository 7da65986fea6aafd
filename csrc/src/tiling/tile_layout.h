// How an image is cut into exact tiles on the host, and which part of the plane each of them reads.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "core/range.h"
#include "core/recent.h"
#include "pyengine/executor.h"
#include "pyengine/image_view.h"
#include "pyengine/options.h"
#include "pyengine/tile_plan.h"
#include "tiling/pixel_rect.h"

namespace pyengine {

// Working memory of callers who do not say: `usual_bytes`, and up to `most_bytes` where the usual
// would be too little or cost much time. What is free at one moment stands for all later ones, so
// that all bands of an image are cut alike.
struct DefaultMemory {
  int64_t usual_bytes = int64_t(1) << 30;
  int64_t most_bytes = usual_bytes;
  // With half of what is free now.
  static DefaultMemory OfThisMachine();
};

// The rows, or the columns, of tiles over `part` of an image. Those far from the end are of one
// kind; the others, which the end reaches, are each of their own.
class TileAxis {
 public:
  TileAxis() = default;
  TileAxis(int64_t image, Range part, int64_t tile, int64_t reach);

  int64_t image() const { return image_; }
  int64_t reach() const { return reach_; }
  int64_t tile() const { return tile_; }
  int64_t count() const { return count_; }
  Range part() const { return part_; }
  int64_t origin(int64_t tile) const { return part_.begin + tile * tile_; }  // [px]
  int64_t size(int64_t tile) const;                                          // [px]
  int64_t to_end(int64_t tile) const;  // [px], as Tile::to_end

  int64_t kinds() const { return count_ - far_ + (far_ > 0 ? 1 : 0); }
  int64_t kind(int64_t tile) const { return far_ == 0 ? tile : tile < far_ ? 0 : tile - far_ + 1; }
  int64_t first_of(int64_t kind) const { return far_ == 0 || kind == 0 ? kind : far_ + kind - 1; }
  int64_t count_of(int64_t kind) const { return far_ > 0 && kind == 0 ? far_ : 1; }

 private:
  int64_t image_ = 0;
  Range part_;
  int64_t tile_ = 1, reach_ = 0;
  int64_t count_ = 0;
  int64_t far_ = 0;  // tiles that the end does not reach
};

class TileLayout {
 public:
  // Tiles over `part` of an image, which begins where tiles may begin, and ends there or with it.
  TileLayout(const Executor& executor, const TilePlan& plan, TileSize image, const PixelRect& part);

  TilePlan plan;

  PixelRect part() const { return {.rows = rows_.part(), .columns = columns_.part()}; }
  struct Place {
    int64_t row, column;
  };
  Place Origin(int64_t row, int64_t column) const {
    return {.row = rows_.origin(row), .column = columns_.origin(column)};
  }
  Tile At(int64_t row, int64_t column) const;
  Range Rows(int64_t row) const;  // that a row of tiles covers
  // What a row or column of tiles reads, on the plane.
  Range WindowRows(int64_t row) const;
  Range WindowColumns(int64_t column) const;
  TileSize LargestWindow() const;

  // Tiles are divided into cells from left to right, each of which may be a tile of its own.
  Range CellsOf(int64_t column) const;
  Range CellColumns(int64_t cell) const;
  // The columns that a cell reads, on the plane.
  Range CellWindow(int64_t cell) const;
  // Some cells side by side, as a tile.
  Tile Piece(int64_t row, Range columns) const;

  // What the rows of tiles that the band `rows` touches read together.
  Range PlaneRows(Range rows) const;

 private:
  TileAxis rows_, columns_, cells_;
  // From a tile's origin, or a cell's, by its kind.
  std::vector<Range> row_windows_, column_windows_, cell_windows_;
};

// Layouts of the images met last. Thread-safe.
class TileLayouts {
 public:
  TileLayouts(std::string why_not_tileable, const DefaultMemory& memory);

  // Throws Error(kUnsupported) if the network has no tiles, Error(kInvalidArgument) if no tile fits
  // the memory.
  std::shared_ptr<const TileLayout> Find(const Executor& executor, int64_t height, int64_t width,
                                         const SegmentOptions& options);

 private:
  // Of the options, those that layouts depend on.
  struct LayoutKey {
    int64_t height, width, tile_height, tile_width, memory;
    int batch;
    PixelRect region;
    bool operator==(const LayoutKey&) const = default;
  };

  const std::string why_not_tileable_;
  const DefaultMemory memory_;
  std::mutex mutex_;
  Recent<LayoutKey, std::shared_ptr<const TileLayout>> layouts_;
};

// Throws Error(kInvalidArgument) unless a band begins with a row of tiles and the view holds the
// rows `needed`.
void RequireRows(const ImageView& image, int64_t tile_height, int64_t row_begin, Range needed);

}  // namespace pyengine
