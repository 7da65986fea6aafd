#include "tiling/compare_range.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "preprocessing/read_row.h"

namespace pyengine {
namespace {

// What values below this highest one were brought to, if they are not on the network's scale: the
// full range of 1, 8, 10, 12, 14 or 16 bits.
double LikelyRange(double highest) {
  for (const double range : {1.0, 255.0, 1023.0, 4095.0, 16383.0, 65535.0})
    if (highest <= range) return range;
  return highest;
}

}  // namespace

ValueRange CompareRange(const CheckedImage& image, PixelType stored, const SourceScale& source,
                        PixelType trained) {
  const ImageView& view = image.view();
  ValueRange range;
  range.advised_scale = source.factor();
  range.lowest = std::numeric_limits<double>::infinity();
  range.highest = -range.lowest;
  const Normalisation as_is = Normalisation::None(view.channels);
  std::vector<float> row(static_cast<size_t>(view.width));
  for (int64_t y = view.first_row; y < view.first_row + view.rows; ++y)
    for (int64_t c = 0; c < view.channels; ++c) {
      ReadRow(view, c, y, as_is, row.data());
      const auto [low, high] = std::minmax_element(row.begin(), row.end());
      range.lowest = std::min<double>(range.lowest, *low);
      range.highest = std::max<double>(range.highest, *high);
    }
  if (trained != PixelType::kUint8 && trained != PixelType::kUint16) return range;
  range.expected_lowest = 0;
  range.expected_highest = trained == PixelType::kUint8 ? 255 : 65535;
  if (stored == trained && source.none()) return range;
  // All in a small part of the scale: fractions, or 8 bits where 16 are expected.
  const bool fractions = stored == PixelType::kFloat32 || stored == PixelType::kFloat64;
  const double small = trained == PixelType::kUint16 ? 255 : fractions ? 1 : 0;
  const bool in_a_small_part = range.highest > 0 && range.highest <= small;
  range.mismatch = range.lowest < 0 || range.highest > range.expected_highest || in_a_small_part;
  if (range.mismatch && range.lowest >= 0)
    range.advised_scale *= range.expected_highest / LikelyRange(range.highest);
  return range;
}

}  // namespace pyengine
