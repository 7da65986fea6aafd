#include "tiling/volume/volume_tiler.h"

#include <algorithm>
#include <array>
#include <string>
#include <vector>

#include "core/checked_math.h"
#include "graph/accepted_size.h"
#include "pyengine/error.h"
#include "tiling/gather.h"
#include "tiling/mirrored_run.h"
#include "tiling/progress.h"
#include "tiling/volume/boxes.h"
#include "tiling/volume/windows.h"

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

// Weighted sums of logits over the slices that windows can still reach: a ring would save copies,
// but the last slices are moved once per row of windows only.
class VolumeSums {
 public:
  VolumeSums(int64_t classes, TileSize volume, const VolumeWindows& windows, ThreadPool& pool)
      : classes_(classes),
        volume_(volume),
        windows_(windows),
        pool_(pool),
        depth_(std::min(windows.size.depth, volume.depth)),
        plane_(volume.height * volume.width),
        sums_(static_cast<size_t>(CheckedMul(CheckedMul(classes, depth_, "sums"), plane_, "sums"))),
        coverage_(static_cast<size_t>(CheckedMul(depth_, plane_, "sums"))) {
    std::fill_n(sums_.data(), sums_.size(), 0.0f);
    std::fill_n(coverage_.data(), coverage_.size(), 0.0f);
  }

  // logits (classes, window) at (z, y, x); what reaches past the volume is cut.
  void Add(const float* logits, int64_t z, int64_t y, int64_t x) {
    const TileSize& size = windows_.size;
    const int64_t front = std::max<int64_t>(0, -z);
    const int64_t back = std::min(size.depth, volume_.depth - z);
    const int64_t top = std::max<int64_t>(0, -y),
                  bottom = std::min(size.height, volume_.height - y);
    const int64_t left = std::max<int64_t>(0, -x), right = std::min(size.width, volume_.width - x);
    pool_.ParallelFor(std::max<int64_t>(0, back - front), [&](int64_t i) {
      const int64_t s = front + i;
      for (int64_t r = top; r < bottom; ++r) {
        const int64_t in_window = (s * size.height + r) * size.width;
        const int64_t at = (z + s - first_) * plane_ + (y + r) * volume_.width + x;
        const float* weight = windows_.weights.data() + in_window;
        for (int64_t k = 0; k < classes_; ++k) {
          const float* in = logits + k * size.depth * size.height * size.width + in_window;
          float* sum = sums_.data() + k * depth_ * plane_ + at;
          for (int64_t c = left; c < right; ++c) sum[c] += in[c] * weight[c];
        }
        for (int64_t c = left; c < right; ++c) coverage_[at + c] += weight[c];
      }
    });
  }

  // No later window begins before slice `end`: hands out the slices before it.
  void Finish(int64_t end, SlabResults& results) {
    const int64_t slices = std::min(end, volume_.depth) - first_;
    if (slices <= 0) return;
    pool_.ParallelFor(slices, [&](int64_t s) {
      for (int64_t i = s * plane_; i < (s + 1) * plane_; ++i)
        for (int64_t k = 0; k < classes_; ++k) sums_[k * depth_ * plane_ + i] /= coverage_[i];
    });
    results.Write(sums_.data(), depth_ * plane_, plane_,
                  {.height = volume_.height, .width = volume_.width, .depth = slices}, first_, 0,
                  0);
    first_ += slices;
    results.Finish(first_);
    pool_.ParallelFor(classes_ + 1, [&](int64_t k) {
      float* begin = k == classes_ ? coverage_.data() : sums_.data() + k * depth_ * plane_;
      std::copy(begin + slices * plane_, begin + depth_ * plane_, begin);
      std::fill(begin + (depth_ - slices) * plane_, begin + depth_ * plane_, 0.0f);
    });
  }

 private:
  const int64_t classes_;
  const TileSize volume_;
  const VolumeWindows& windows_;
  ThreadPool& pool_;
  const int64_t depth_;  // slices held
  const int64_t plane_;  // voxels of a slice
  AlignedBuffer<float> sums_, coverage_;
  int64_t first_ = 0;  // slice of the first one held
};

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
  VolumeSums sums(net.classes, size, plan, runner.pool());
  SlabResults results(output, size, net.classes, model.head, plan.size.depth, runner.pool());
  int64_t done = 0;
  for (int64_t z : plan.z) {
    sums.Finish(z, results);
    for (int64_t y : plan.y)
      for (int64_t x : plan.x) {
        GatherBox(runner, volume, plan.padding, z - net.z.margin, y - net.y.margin,
                  x - net.x.margin, in, buffers->windows.data());
        run(network, buffers->windows.data(), buffers->logits.data(), 1);
        sums.Add(buffers->logits.data(), z, y, x);
        ReportProgress(options, ++done, plan.count());
      }
  }
  sums.Finish(size.depth, results);
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
