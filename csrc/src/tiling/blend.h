// Weighted averaging of overlapping windows, in row bands.
#pragma once

#include <cstdint>
#include <vector>

#include "core/range.h"
#include "pyengine/options.h"
#include "tiling/window_runner.h"

namespace pyengine {

// Weight of each voxel of a window: 1, a Gaussian with standard deviation side / 8 around the
// centre, never below 1e-3 of its peak (MONAI's convention), or nnU-Net's.
std::vector<float> BlendWeights(TileSize window, TileMode mode);

// Of neighbouring windows: a fraction of the side (< 1), or pixels. Throws Error(kInvalidArgument)
// where that leaves no step.
int64_t OverlapPx(double overlap, int64_t window);

constexpr int64_t kDefaultBlendTilePx = 512;

// Where overlapping windows lie: the origins of their outputs.
struct BlendPlan {
  int64_t height = 0, width = 0;  // of a window's output
  std::vector<int64_t> rows, columns;
};

// Windows whose outputs are `height` x `width`, over an image of that size. Throws
// Error(kInvalidArgument) if the options' overlap does not leave a step.
BlendPlan PlanBlend(int64_t image_height, int64_t image_width, int64_t height, int64_t width,
                    double overlap);

// Rows of the image that the band `rows` of the result needs.
Range BlendedBandRows(const SegmentationModel& model, int64_t height, int64_t width, Range rows,
                      const SegmentOptions& options);

// The band `rows`, from a view that holds at least BlendedBandRows(). Bands are bit for bit the
// whole result; windows that reach into two of them are computed in both. Throws
// Error(kInvalidArgument) if the overlap does not leave a step.
void SegmentBlended(const WindowRunner& runner, const CheckedImage& image, Range rows,
                    const OutputView& out, const SegmentOptions& options);

}  // namespace pyengine
