/// \file
/// What per-image preprocessing needs to know of an image that is never there as a whole.
///
/// \code
/// ImageStatistics statistics = engine.Statistics(height);
/// while (statistics.NeedsImage())
///   for (const ImageView& band : bands) statistics.See(band);
/// engine.SegmentBand(band, OutputKind::kLabels, begin, end, labels, options, &statistics);
/// \endcode
#pragma once

#include <cstdint>
#include <memory>

#include "pyengine/export.h"
#include "pyengine/image_view.h"

namespace pyengine {

/// Means, deviations and percentiles of one image, gathered from its rows. Does not depend on how
/// rows are cut into bands. For one thread at a time, until nothing needs to be seen.
class PYENGINE_EXPORT ImageStatistics {
 public:
  ImageStatistics(ImageStatistics&&) noexcept;
  ImageStatistics& operator=(ImageStatistics&&) noexcept;
  ~ImageStatistics();

  /// Whether the image has to be seen (again), from its first row to its last: images of integers
  /// once, images of floats once or more per step; never where preprocessing is the same for all.
  bool NeedsImage() const noexcept;

  /// The next rows of the image.
  /// \throws Error kInvalidArgument for an image that the network does not take, or rows that do
  ///   not follow those seen before.
  void See(const ImageView& rows);

 private:
  friend class Engine;
  struct PYENGINE_HIDDEN Impl;
  explicit ImageStatistics(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace pyengine
