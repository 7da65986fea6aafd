// Where an image is worth computing: cells of equal size, so that the result depends on no tiles.
#pragma once

#include <cstdint>

#include "core/thread_pool.h"
#include "graph/head.h"
#include "tiling/pixel_rect.h"
#include "tiling/scores.h"

namespace pyengine {

// The options' foreground of an image of `width`. Borrows the options.
class Foreground {
 public:
  Foreground(const SegmentOptions& options, int64_t width)
      : cells_(options.foreground.data()),
        cell_px_(options.foreground_cell_px),
        across_(options.foreground.empty() ? 0 : CeilDiv(width, cell_px_)) {}

  // Whether some pixel of a rectangle is; always where nothing is said.
  bool MeetsRect(const PixelRect& rect) const;

  // Gives all of `rect` that is not foreground label 0, or its probability 1 where labels are those
  // of the highest one; all probabilities are 0 where none may be high.
  void PaintBackground(const PixelRect& rect, int64_t classes, Head head, const OutputView& out,
                       ThreadPool& pool) const;

 private:
  bool none_said() const { return across_ == 0; }

  const uint8_t* cells_;
  int64_t cell_px_, across_;
};

}  // namespace pyengine
