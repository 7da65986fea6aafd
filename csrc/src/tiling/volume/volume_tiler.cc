#include "tiling/volume/volume_tiler.h"

#include <algorithm>
#include <array>
#include <string>
#include <vector>

#include "core/checked_math.h"
#include "graph/accepted_size.h"
#include "pyengine/error.h"
#include "tiling/blend.h"
#include "tiling/gather.h"
#include "tiling/mirrored_run.h"
#include "tiling/progress.h"
#include "tiling/volume/boxes.h"
#include "tiling/volume/windows.h"
#include "tiling/window_sums.h"

namespace pyengine {
namespace {

int64_t Voxels(TileSize size) {
  return CheckedMul(CheckedMul(size.depth, size.height, "volume"), size.width, "volume");
}

std::string Text(TileSize size) {
  return std::to_string(size.depth) + " x " + std::to_string(size.height) + " x " +
         std::to_string(size.width);
}

// Normalised voxels of the endless volume, from (z, y, x) on: (channels, depth, height, width).
void GatherBox(const WindowRunner& runner, const VolumeImage& volume, PaddingMode padding,
               int64_t z, int64_t y, int64_t x, TileSize size, float* window) {
  const Normalisation& normalisation = volume.NormalisationOr(runner.model().normalisation);
  const int64_t plane = size.height * size.width;
  runner.pool().ParallelFor(runner.net().channels * size.depth, [&](int64_t i) {
    const int64_t channel = i / size.depth;
    const int64_t slice = BorderIndex(z + i % size.depth, volume.size().depth, padding);
    float* to = window + i * plane;
    if (slice < 0) {
      std::fill_n(to, plane, 0.0f);
      return;
    }
    const ImageView view = volume.Slice(slice);
    for (int64_t r = 0; r < size.height; ++r)
      GatherRow(view, padding, channel, y + r, x, size.width, normalisation, to + r * size.width);
  });
}

// ---- exact --------------------------------------------------------------------------------------

void SegmentBoxes(const WindowRunner& runner, const VolumeImage& volume, const VolumeOutput& output,
                  const SegmentOptions& options, int64_t budget) {
  const NetworkGeometry& net = runner.net();
  Executor& executor = runner.executor();
  const TileSize size = volume.size();
  const BoxPlan plan = PlanBoxes(executor, size, options, budget);
  SlabResults results(output, size, net.classes, runner.model().head, plan.box.depth,
                      runner.pool());
  int64_t done = 0;
  for (int64_t z = 0; z < size.depth; z += plan.box.depth) {
    for (int64_t y = 0; y < size.height; y += plan.box.height)
      for (int64_t x = 0; x < size.width; x += plan.box.width) {
        const Tile tile = plan.At(z, y, x);
        const Window window = executor.WindowFor(tile);
        const TileSize in{.height = window.height, .width = window.width, .depth = window.depth};
        auto buffers = runner.Borrow(Voxels(in) * net.channels, Voxels(tile.size) * net.classes);
        GatherBox(runner, volume, options.padding, z - window.front, y - window.top,
                  x - window.left, in, buffers->windows.data());
        executor.RunTile(buffers->windows.data(), buffers->logits.data(), 1, tile);
        results.Write(buffers->logits.data(), Voxels(tile.size), tile.size.height * tile.size.width,
                      tile.size, z, y, x);
        ReportProgress(options, ++done, plan.count());
      }
    results.Finish(z + plan.box.depth);
  }
}

void SegmentAtOnce(const WindowRunner& runner, const VolumeImage& volume,
                   const VolumeOutput& output, const SegmentOptions& options, int64_t budget) {
  const NetworkGeometry& net = runner.net();
  const TileSize size = volume.size();
  const std::string& why = runner.model().why_not_tileable;
  if ((options.tile_depth_px > 0 && options.tile_depth_px < size.depth) ||
      (options.tile_height_px > 0 && options.tile_height_px < size.height) ||
      (options.tile_width_px > 0 && options.tile_width_px < size.width))
    throw Error(ErrorCode::kUnsupported,
                "this network has no exact tiles: " + why +
                    R"(; use mode="nnunet" or "gaussian", or leave tile out)");
  const auto accepted = [](const AxisGeometry& axis, int64_t least) {
    return AcceptedInput(axis, least + 2 * axis.margin);
  };
  const TileSize in{.height = accepted(net.y, size.height),
                    .width = accepted(net.x, size.width),
                    .depth = accepted(net.z, size.depth)};
  const TileSize result{.height = in.height - 2 * net.y.margin,
                        .width = in.width - 2 * net.x.margin,
                        .depth = in.depth - 2 * net.z.margin};
  if (result.height < size.height || result.width < size.width || result.depth < size.depth)
    throw Error(ErrorCode::kUnsupported,
                "this network is for volumes of " + Text(result) + " voxels, this one has " +
                    Text(size) + R"(; mode="nnunet" and "gaussian" take windows of that size)");
  const int64_t needed = runner.executor().RunVolumeMemoryBytes(in);
  if (needed > budget)
    throw Error(ErrorCode::kUnsupported,
                "the volume needs " + std::to_string(needed) +
                    " bytes in one piece, max_memory is " + std::to_string(budget) +
                    ", and this network has no exact tiles: " + why +
                    R"(; use mode="nnunet" or "gaussian", or raise max_memory)");
  auto buffers = runner.Borrow(Voxels(in) * net.channels, Voxels(result) * net.classes);
  GatherBox(runner, volume, options.padding, -net.z.margin, -net.y.margin, -net.x.margin, in,
            buffers->windows.data());
  runner.executor().RunVolume(buffers->windows.data(), buffers->logits.data(), 1, in);
  SlabResults results(output, size, net.classes, runner.model().head, size.depth, runner.pool());
  results.Write(buffers->logits.data(), Voxels(result), result.height * result.width, result, 0, 0,
                0);
  results.Finish(size.depth);
  ReportProgress(options, 1, 1);
}

// ---- blended ------------------------------------------------------------------------------------

void SegmentWindows(const WindowRunner& runner, const VolumeImage& volume,
                    const VolumeOutput& output, const SegmentOptions& options) {
  const SegmentationModel& model = runner.model();
  const NetworkGeometry& net = model.geometry;
  const TileSize size = volume.size();
  const VolumeWindows plan = PlanVolumeWindows(model, size, options);
  const TileSize in{.height = plan.size.height + 2 * net.y.margin,
                    .width = plan.size.width + 2 * net.x.margin,
                    .depth = plan.size.depth + 2 * net.z.margin};
  const int64_t in_floats = CheckedMul(Voxels(in), net.channels, "window");
  const int64_t out_floats = CheckedMul(Voxels(plan.size), net.classes, "window");
  auto buffers = runner.Borrow(in_floats, out_floats);
  MirroredRun run(model, options.augmentation == Augmentation::kMirror, in, plan.size, 1,
                  runner.pool());
  const auto network = [&](const float* window, float* logits, int64_t n) {
    runner.executor().RunVolume(window, logits, n, in);
  };
  SlabResults results(output, size, net.classes, model.head, plan.size.depth, runner.pool());
  WindowSums sums(
      net.classes, size, plan.size, BlendWeights(plan.size, options.mode), runner.pool(),
      [&](const float* logits, int64_t stride, int64_t first, int64_t slices) {
        results.Write(logits, stride, size.height * size.width,
                      {.height = size.height, .width = size.width, .depth = slices}, first, 0, 0);
        results.Finish(first + slices);
      });
  int64_t done = 0;
  for (int64_t z : plan.z) {
    sums.Finish(z);
    for (int64_t y : plan.y)
      for (int64_t x : plan.x) {
        GatherBox(runner, volume, plan.padding, z - net.z.margin, y - net.y.margin,
                  x - net.x.margin, in, buffers->windows.data());
        run(network, buffers->windows.data(), buffers->logits.data(), 1);
        sums.Add(buffers->logits.data(), z, y, x);
        ReportProgress(options, ++done, plan.count());
      }
  }
  sums.Finish(size.depth);
}

}  // namespace

void SegmentVolume(const WindowRunner& runner, const VolumeImage& volume,
                   const VolumeOutput& output, const SegmentOptions& options,
                   int64_t default_memory_bytes) {
  if (options.mode != TileMode::kExact) return SegmentWindows(runner, volume, output, options);
  const int64_t budget =
      options.max_memory_bytes > 0 ? options.max_memory_bytes : default_memory_bytes;
  if (runner.net().tileable) return SegmentBoxes(runner, volume, output, options, budget);
  SegmentAtOnce(runner, volume, output, options, budget);
}

}  // namespace pyengine
