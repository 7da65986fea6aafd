// Where overlapping windows lie in a volume.
#pragma once

#include <cstdint>
#include <vector>

#include "pyengine/options.h"
#include "tiling/segmenter.h"

namespace pyengine {

struct VolumeWindows {
  TileSize size;                                 // of a window's output
  std::vector<int64_t> z, y, x;                  // origins of outputs, on each axis
  PaddingMode padding = PaddingMode::kConstant;  // what lies beyond the volume

  int64_t count() const { return static_cast<int64_t>(z.size() * y.size() * x.size()); }
};

// kNnUnet: nnU-Net's windows and zeros. Otherwise MONAI's: steps of window - overlap, the last one
// moved back to the end.
// Throws Error(kInvalidArgument) where the options leave no window or no step.
VolumeWindows PlanVolumeWindows(const SegmentationModel& model, TileSize volume,
                                const SegmentOptions& options);

}  // namespace pyengine
