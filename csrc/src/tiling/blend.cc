#include "tiling/blend.h"

#include <algorithm>
#include <cmath>

#include "core/exp.h"
#include "graph/accepted_size.h"
#include "pyengine/error.h"
#include "tiling/choose_tile.h"
#include "tiling/gather.h"
#include "tiling/mirrored_run.h"
#include "tiling/nnunet_windows.h"
#include "tiling/progress.h"
#include "tiling/tile_layout.h"
#include "tiling/window_sums.h"

namespace pyengine {

std::vector<float> BlendWeights(TileSize window, TileMode mode) {
  if (mode == TileMode::kNnUnet) return NnUnetWeights(window);
  const auto voxels = static_cast<size_t>(window.depth * window.height * window.width);
  if (mode != TileMode::kGaussian) return std::vector<float>(voxels, 1.0f);
  // An axis of one pixel counts 1.
  const auto axis = [](int64_t i, int64_t size) {
    const double z = (double(i) - double(size - 1) / 2) / (double(size) / 8);
    return Exp(-z * z / 2);
  };
  std::vector<float> weights;
  weights.reserve(voxels);
  for (int64_t z = 0; z < window.depth; ++z)
    for (int64_t y = 0; y < window.height; ++y)
      for (int64_t x = 0; x < window.width; ++x)
        weights.push_back(static_cast<float>(std::max(
            1e-3, axis(z, window.depth) * axis(y, window.height) * axis(x, window.width))));
  return weights;
}

int64_t OverlapPx(double overlap, int64_t window) {
  const double px = overlap < 1 ? std::floor(overlap * double(window)) : overlap;
  if (!(px >= 0) || px >= double(window))
    throw Error(ErrorCode::kInvalidArgument, "overlap " + std::to_string(overlap) +
                                                 " must be >= 0 and smaller than the tile of " +
                                                 std::to_string(window) + " px");
  return static_cast<int64_t>(px);
}

BlendPlan PlanBlend(int64_t image_height, int64_t image_width, int64_t height, int64_t width,
                    double overlap) {
  return {.height = height,
          .width = width,
          .rows = BlendOrigins(image_height, height, OverlapPx(overlap, height)),
          .columns = BlendOrigins(image_width, width, OverlapPx(overlap, width))};
}

namespace {

BlendPlan PlanFor(const SegmentationModel& model, int64_t height, int64_t width,
                  const SegmentOptions& options) {
  const NetworkGeometry& net = model.geometry;
  if (options.mode == TileMode::kNnUnet) {
    const auto side = [](int64_t wanted, int64_t named) {
      return wanted > 0 ? wanted : named > 0 ? named : kDefaultBlendTilePx;
    };
    const int64_t h = AcceptedHeight(net, side(options.tile_height_px, model.window.height));
    const int64_t w = AcceptedWidth(net, side(options.tile_width_px, model.window.width));
    return {.height = h,
            .width = w,
            .rows = NnUnetOrigins(height, h),
            .columns = NnUnetOrigins(width, w)};
  }
  const auto least = [&](int64_t wanted, int64_t size) {
    return std::min(wanted > 0 ? wanted : kDefaultBlendTilePx, size);
  };
  return PlanBlend(height, width, AcceptedHeight(net, least(options.tile_height_px, height)),
                   AcceptedWidth(net, least(options.tile_width_px, width)), options.overlap);
}

// Of the rows of windows, those that reach into the band.
std::vector<int64_t> RowsOfWindows(const BlendPlan& plan, Range band) {
  std::vector<int64_t> rows;
  for (int64_t y : plan.rows)
    if (y + plan.height > band.begin && y < band.end) rows.push_back(y);
  return rows;
}

PaddingMode PaddingOf(const SegmentOptions& options) {
  return options.mode == TileMode::kNnUnet ? PaddingMode::kConstant : options.padding;
}

}  // namespace

Range BlendedBandRows(const SegmentationModel& model, int64_t height, int64_t width, Range band,
                      const SegmentOptions& options) {
  const NetworkGeometry& net = model.geometry;
  const BlendPlan plan = PlanFor(model, height, width, options);
  const std::vector<int64_t> rows = RowsOfWindows(plan, band);
  return RowsBehind(
      {.begin = rows.front() - net.margin, .end = rows.back() + plan.height + net.margin}, height,
      PaddingOf(options));
}

void SegmentBlended(const WindowRunner& runner, const CheckedImage& image, Range band,
                    const OutputView& out, const SegmentOptions& options) {
  const ImageView& view = image.view();
  const NetworkGeometry& net = runner.net();
  const BlendPlan plan = PlanFor(runner.model(), view.height, view.width, options);
  RequireRows(view, 1, band.begin,
              BlendedBandRows(runner.model(), view.height, view.width, band, options));
  const std::vector<int64_t> rows = RowsOfWindows(plan, band);
  const int64_t in_h = plan.height + 2 * net.margin, in_w = plan.width + 2 * net.margin;
  WindowSums sums(
      net.classes, {.height = 1, .width = view.width, .depth = view.height},
      {.height = 1, .width = plan.width, .depth = plan.height},
      BlendWeights({.height = plan.height, .width = plan.width}, options.mode), runner.pool(),
      [&](const float* logits, int64_t stride, int64_t y, int64_t count) {
        for (int64_t r = std::max<int64_t>(0, band.begin - y); r < std::min(count, band.end - y);
             ++r)
          WriteScores(logits + r * view.width, stride, net.classes, runner.model().head, out, y + r,
                      0, view.width);
      },
      std::max<int64_t>(0, rows.front()));
  const auto columns = static_cast<int64_t>(plan.columns.size());
  const int64_t batch = std::clamp<int64_t>(options.batch_size, 1, columns);
  const int64_t in_floats = in_h * in_w * net.channels;
  const int64_t out_floats = plan.height * plan.width * net.classes;
  auto buffers = runner.Borrow(in_floats * batch, out_floats * batch);
  MirroredRun run(runner.model(), options.augmentation == Augmentation::kMirror,
                  {.height = in_h, .width = in_w}, {.height = plan.height, .width = plan.width},
                  batch, runner.pool());
  const auto network = [&](const float* in, float* logits, int64_t n) {
    runner.executor().Run(in, logits, n, in_h, in_w);
  };
  const auto total = static_cast<int64_t>(rows.size()) * columns;
  int64_t done = 0;
  for (int64_t y : rows) {
    sums.Finish(y);
    for (int64_t first = 0; first < columns; first += batch) {
      const int64_t n = std::min(batch, columns - first);
      for (int64_t i = 0; i < n; ++i)
        runner.Gather(image, PaddingOf(options), y - net.margin,
                      plan.columns[first + i] - net.margin, in_h, in_w,
                      buffers->windows.data() + i * in_floats);
      run(network, buffers->windows.data(), buffers->logits.data(), n);
      for (int64_t i = 0; i < n; ++i)
        sums.Add(buffers->logits.data() + i * out_floats, y, 0, plan.columns[first + i]);
      done += n;
      ReportProgress(options, done, total);
    }
  }
  sums.Finish(band.end);
}

}  // namespace pyengine
