#include "tiling/foreground.h"

#include <algorithm>

namespace pyengine {
namespace {

void PaintRun(const OutputView& out, int64_t y, Range columns, int64_t classes, bool highest) {
  const int64_t at = (y - out.first_row) * out.row_stride + columns.begin - out.first_column;
  if (out.kind == OutputKind::kLabels) {
    std::fill_n(static_cast<uint8_t*>(out.data) + at, columns.size(), uint8_t{0});
    return;
  }
  for (int64_t k = 0; k < classes; ++k)
    std::fill_n(static_cast<float*>(out.data) + k * out.plane_stride + at, columns.size(),
                highest && k == 0 ? 1.0f : 0.0f);
}

}  // namespace

bool Foreground::MeetsRect(const PixelRect& rect) const {
  if (none_said()) return true;
  const Range down{.begin = rect.rows.begin / cell_px_, .end = CeilDiv(rect.rows.end, cell_px_)};
  const Range across{.begin = rect.columns.begin / cell_px_,
                     .end = CeilDiv(rect.columns.end, cell_px_)};
  for (int64_t row = down.begin; row < down.end; ++row) {
    const uint8_t* cells = cells_ + row * across_;
    if (std::any_of(cells + across.begin, cells + across.end, [](uint8_t cell) { return cell; }))
      return true;
  }
  return false;
}

void Foreground::PaintBackground(const PixelRect& rect, int64_t classes, Head head,
                                 const OutputView& out, ThreadPool& pool) const {
  if (none_said()) return;
  const bool highest = classes > 1 && head != Head::kRegions;
  pool.ParallelFor(rect.rows.size(), [&](int64_t i) {
    const int64_t y = rect.rows.begin + i;
    const uint8_t* cells = cells_ + y / cell_px_ * across_;
    for (int64_t x = rect.columns.begin; x < rect.columns.end;) {
      const int64_t end = std::min((x / cell_px_ + 1) * cell_px_, rect.columns.end);
      if (cells[x / cell_px_] == 0) PaintRun(out, y, {.begin = x, .end = end}, classes, highest);
      x = end;
    }
  });
}

}  // namespace pyengine
