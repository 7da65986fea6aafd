#include "tiling/volume/windows.h"

#include <algorithm>
#include <cmath>
#include <string>

#include "core/exp.h"
#include "graph/accepted_size.h"
#include "pyengine/error.h"
#include "tiling/choose_tile.h"
#include "tiling/nnunet_windows.h"

namespace pyengine {
namespace {

constexpr int64_t kDefaultWindowPx = 96;  // where neither file nor caller says

// Side of a window's output on one axis.
int64_t Side(const AxisGeometry& axis, int64_t wanted, int64_t named, int64_t size, bool padded) {
  int64_t side = wanted > 0 ? wanted : named > 0 ? named : kDefaultWindowPx;
  if (!padded) side = std::min(side, size);
  return AcceptedInput(axis, side + 2 * axis.margin) - 2 * axis.margin;
}

int64_t Overlap(double overlap, int64_t side) {
  const double px = overlap < 1 ? std::floor(overlap * double(side)) : overlap;
  if (!(px >= 0) || px >= double(side))
    throw Error(ErrorCode::kInvalidArgument, "overlap " + std::to_string(overlap) +
                                                 " must be >= 0 and smaller than the window of " +
                                                 std::to_string(side) + " px");
  return static_cast<int64_t>(px);
}

std::vector<float> GaussianWeights(TileSize size) {
  const auto axis = [](int64_t i, int64_t side) {
    const double at = (double(i) - double(side - 1) / 2) / (double(side) / 8);
    return Exp(-at * at / 2);
  };
  std::vector<float> weights;
  weights.reserve(static_cast<size_t>(size.depth * size.height * size.width));
  for (int64_t z = 0; z < size.depth; ++z)
    for (int64_t y = 0; y < size.height; ++y)
      for (int64_t x = 0; x < size.width; ++x)
        weights.push_back(static_cast<float>(
            std::max(1e-3, axis(z, size.depth) * axis(y, size.height) * axis(x, size.width))));
  return weights;
}

}  // namespace

VolumeWindows PlanVolumeWindows(const SegmentationModel& model, TileSize volume,
                                const SegmentOptions& options) {
  const NetworkGeometry& net = model.geometry;
  const bool nnunet = options.mode == TileMode::kNnUnet;
  VolumeWindows plan;
  plan.size = {
      .height = Side(net.y, options.tile_height_px, model.window.height, volume.height, nnunet),
      .width = Side(net.x, options.tile_width_px, model.window.width, volume.width, nnunet),
      .depth = Side(net.z, options.tile_depth_px, model.window.depth, volume.depth, nnunet)};
  if (nnunet) {
    plan.z = NnUnetOrigins(volume.depth, plan.size.depth);
    plan.y = NnUnetOrigins(volume.height, plan.size.height);
    plan.x = NnUnetOrigins(volume.width, plan.size.width);
    plan.weights = NnUnetWeights(plan.size);
    return plan;
  }
  const auto origins = [&](int64_t size, int64_t side) {
    return BlendOrigins(size, side, Overlap(options.overlap, side));
  };
  plan.z = origins(volume.depth, plan.size.depth);
  plan.y = origins(volume.height, plan.size.height);
  plan.x = origins(volume.width, plan.size.width);
  plan.weights =
      options.mode == TileMode::kGaussian
          ? GaussianWeights(plan.size)
          : std::vector<float>(
                static_cast<size_t>(plan.size.depth * plan.size.height * plan.size.width), 1.0f);
  plan.padding = options.padding;
  return plan;
}

}  // namespace pyengine
