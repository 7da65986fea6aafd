// Some rows and some columns of an image.
#pragma once

#include "core/range.h"
#include "pyengine/options.h"

namespace pyengine {

struct PixelRect {
  Range rows, columns;
  bool operator==(const PixelRect& o) const {
    return rows.begin == o.rows.begin && rows.end == o.rows.end &&
           columns.begin == o.columns.begin && columns.end == o.columns.end;
  }
};

// The options' region of an image of this size, or all of it.
inline PixelRect RegionOf(const SegmentOptions& o, int64_t height, int64_t width) {
  if (!o.has_region())
    return {.rows = {.begin = 0, .end = height}, .columns = {.begin = 0, .end = width}};
  return {.rows = {.begin = o.region_top_px, .end = o.region_top_px + o.region_height_px},
          .columns = {.begin = o.region_left_px, .end = o.region_left_px + o.region_width_px}};
}

}  // namespace pyengine
