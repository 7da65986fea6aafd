#include "tiling/volume/boxes.h"

#include <algorithm>
#include <array>
#include <string>

#include "core/checked_math.h"
#include "pyengine/error.h"

namespace pyengine {
namespace {

// Sides by axis: depth, height, width.
using Sides = std::array<int64_t, 3>;

Sides SidesOf(TileSize size) {
  return {size.depth, size.height, size.width};
}
TileSize SizeOf(const Sides& sides) {
  return {.height = sides[1], .width = sides[2], .depth = sides[0]};
}

// The volume, and how many parts each axis is cut into.
struct Cut {
  Sides volume, grid, wanted;
  Sides parts = {1, 1, 1};

  int64_t Side(size_t axis) const {
    const int64_t side = wanted[axis] > 0 ? wanted[axis] : CeilDiv(volume[axis], parts[axis]);
    return std::min(volume[axis], RoundUp(side, grid[axis]));
  }
  TileSize box() const { return SizeOf({Side(0), Side(1), Side(2)}); }
  // Another, smaller side; false where the axis is cut as finely as it may be.
  bool Refine(size_t axis) {
    const int64_t before = Side(axis);
    if (wanted[axis] > 0 || before <= grid[axis]) return false;
    while (Side(axis) == before) parts[axis] += std::max<int64_t>(1, parts[axis] / 3);
    return true;
  }
};

}  // namespace

Tile BoxPlan::At(int64_t z, int64_t y, int64_t x) const {
  const auto size = [](int64_t side, int64_t end, int64_t at) { return std::min(side, end - at); };
  Tile tile;
  tile.size = {.height = size(box.height, volume.height, y),
               .width = size(box.width, volume.width, x),
               .depth = size(box.depth, volume.depth, z)};
  tile.to_end = {.height = size(tile.size.height + reach.height, volume.height, y),
                 .width = size(tile.size.width + reach.width, volume.width, x),
                 .depth = size(tile.size.depth + reach.depth, volume.depth, z)};
  return tile;
}

int64_t BoxPlan::count() const {
  return CeilDiv(volume.depth, box.depth) * CeilDiv(volume.height, box.height) *
         CeilDiv(volume.width, box.width);
}

BoxPlan PlanBoxes(const Executor& executor, TileSize volume, const SegmentOptions& options,
                  int64_t budget_bytes) {
  const TileSize reach = executor.BoxReach();
  const auto plan_of = [&](const Cut& cut) {
    return BoxPlan{.box = cut.box(), .volume = volume, .reach = reach};
  };
  const auto cost_of = [&](const BoxPlan& plan) {
    return executor.TileCost(plan.At(0, 0, 0)) * double(plan.count());
  };
  Cut cut{.volume = SidesOf(volume),
          .grid = SidesOf(executor.BoxGrid()),
          .wanted = {options.tile_depth_px, options.tile_height_px, options.tile_width_px}};
  // From one box on, the axis is cut whose cut costs least. A cost model of three axes has no
  // valley to be caught in: a finer cut repeats more context.
  for (;;) {
    const BoxPlan plan = plan_of(cut);
    const int64_t bytes = executor.TileMemoryBytes(plan.At(0, 0, 0));
    if (bytes <= budget_bytes) return plan;
    const Cut* best = nullptr;
    double least = 0;
    std::array<Cut, 3> finer = {cut, cut, cut};
    for (size_t axis = 0; axis < 3; ++axis) {
      if (!finer[axis].Refine(axis)) continue;
      const double cost = cost_of(plan_of(finer[axis]));
      if (best == nullptr || cost < least) best = &finer[axis], least = cost;
    }
    if (best == nullptr)
      throw Error(ErrorCode::kInvalidArgument,
                  "max_memory " + std::to_string(budget_bytes) + " bytes is too small: a box of " +
                      std::to_string(plan.box.depth) + " x " + std::to_string(plan.box.height) +
                      " x " + std::to_string(plan.box.width) + " voxels needs " +
                      std::to_string(bytes) + " bytes");
    cut = *best;
  }
}

}  // namespace pyengine
