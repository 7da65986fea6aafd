#include "tiling/volume/windows.h"

#include <algorithm>

#include "graph/accepted_size.h"
#include "tiling/blend.h"
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
    return plan;
  }
  const auto origins = [&](int64_t size, int64_t side) {
    return BlendOrigins(size, side, OverlapPx(options.overlap, side));
  };
  plan.z = origins(volume.depth, plan.size.depth);
  plan.y = origins(volume.height, plan.size.height);
  plan.x = origins(volume.width, plan.size.width);
  plan.padding = options.padding;
  return plan;
}

}  // namespace pyengine
