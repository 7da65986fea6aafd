// The exact tiles of one call, one after the other, as far as they must be computed.
#pragma once

#include <cstdint>

#include "tiling/constant_tiles.h"
#include "tiling/foreground.h"
#include "tiling/tile_layout.h"
#include "tiling/window_runner.h"

namespace pyengine {

// Tiles of one kind in a row go through the network together. Of a tile in which some cells are
// background, or have windows that are one constant, only what lies between them is computed: as
// tiles of its own, which are exact as any.
class ExactPass {
 public:
  // All are borrowed.
  ExactPass(const WindowRunner& runner, const TileLayout& layout, const CheckedImage& image,
            const PixelRect& wanted, const OutputView& out, const SegmentOptions& options);

  void Row(int64_t row);

  const TileReport& report() const { return report_; }

 private:
  // What is to be done with a cell.
  enum Deed : uint8_t { kCompute, kRepeat, kLeaveOut };

  void Take(int64_t row, int64_t column);
  // Sets the deed of each cell of a tile, whose window is gathered meanwhile, at `window`.
  void Decide(int64_t row, Range cells, Range window_columns, float* window);
  void TakeCells(int64_t row, Range cells);
  void Repeat(int64_t row, int64_t cell);
  // Columns [begin, end) of a row of tiles, as a tile of their own.
  void ComputePiece(int64_t row, Range columns);
  void Gather(int64_t row, Range window_columns, float* window);
  // Computes the tiles that wait.
  void Run(int64_t row);
  void Write(const float* logits, int64_t row, int64_t x, TileSize size);
  void Done(int64_t tiles);

  // Of the tiles that wait, whose windows are gathered.
  std::vector<int64_t>& columns() { return buffers_->columns; }
  std::vector<uint8_t>& deeds() { return buffers_->deeds; }

  const WindowRunner& runner_;
  const TileLayout& layout_;
  const CheckedImage& image_;
  const PixelRect& wanted_;
  const OutputView& out_;
  const SegmentOptions& options_;
  const Foreground foreground_;
  const bool repeats_;
  WindowRunner::Lease buffers_;
  TileReport report_;
  int64_t done_ = 0;
};

}  // namespace pyengine
