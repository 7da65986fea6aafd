#include "tiling/whole.h"

#include "core/checked_math.h"
#include "graph/accepted_size.h"
#include "pyengine/error.h"
#include "tiling/progress.h"

namespace pyengine {
namespace {

// The size of the result that is computed: the image's, or the least that the network accepts.
// Throws Error(kUnsupported) where smaller tiles are asked for, or there is no such size.
TileSize WholeSize(const WindowRunner& runner, const ImageView& view,
                   const SegmentOptions& options) {
  const NetworkGeometry& net = runner.net();
  const std::string& why = runner.model().why_not_tileable;
  if ((options.tile_height_px > 0 && options.tile_height_px < view.height) ||
      (options.tile_width_px > 0 && options.tile_width_px < view.width))
    throw Error(ErrorCode::kUnsupported,
                "tile " + std::to_string(options.tile_height_px) + " x " +
                    std::to_string(options.tile_width_px) +
                    " px is smaller than the image, but this network has no exact tiles: " + why +
                    "; use mode=\"gaussian\" or leave tile out");
  const TileSize size{.height = AcceptedHeight(net, view.height),
                      .width = AcceptedWidth(net, view.width)};
  if (net.fixed_height > 0 && (size.height != view.height || size.width != view.width))
    throw Error(ErrorCode::kUnsupported,
                "this network is for images of " + std::to_string(size.height) + " x " +
                    std::to_string(size.width) + " px, the image has " +
                    std::to_string(view.height) + " x " + std::to_string(view.width) + ": " + why +
                    "; mode=\"gaussian\" takes windows of that size");
  return size;
}

}  // namespace

void SegmentWhole(const WindowRunner& runner, const CheckedImage& image, const OutputView& out,
                  const SegmentOptions& options, int64_t default_memory_bytes) {
  const ImageView& view = image.view();
  const NetworkGeometry& net = runner.net();
  Executor& executor = runner.executor();
  const TileSize size = WholeSize(runner, view, options);
  const PixelRect wanted = RegionOf(options, view.height, view.width);
  const int64_t in_h = size.height + 2 * net.margin, in_w = size.width + 2 * net.margin;
  const int64_t in_floats = CheckedMul(CheckedMul(in_h, in_w, "image"), net.channels, "image");
  const int64_t out_floats =
      CheckedMul(CheckedMul(size.height, size.width, "image"), net.classes, "image");
  const int64_t budget =
      options.max_memory_bytes > 0 ? options.max_memory_bytes : default_memory_bytes;
  const int64_t needed = executor.RunMemoryBytes(in_h, in_w);
  const int64_t ends = (in_floats + out_floats) * static_cast<int64_t>(sizeof(float));
  if (needed == 0 || needed + ends <= budget) {
    auto buffers = runner.Borrow(in_floats, out_floats);
    runner.Gather(image, options.padding, -net.margin, -net.margin, in_h, in_w,
                  buffers->windows.data());
    runner.Run(buffers->windows.data(), buffers->logits.data(), 1, in_h, in_w);
    runner.Write(buffers->logits.data(), size, 0, 0, wanted, out);
    return ReportProgress(options, 1, 1);
  }
  const auto read = [&](int64_t y, int64_t rows, float* to, int64_t plane_stride) {
    runner.Gather(image, options.padding, y - net.margin, -net.margin, rows, in_w, to,
                  plane_stride);
  };
  const auto write = [&](int64_t y, int64_t rows, const float* from, int64_t plane_stride) {
    runner.Write(from, plane_stride, {.height = rows, .width = size.width}, y, 0, wanted, out);
  };
  executor.RunRows(in_h, in_w, read, write,
                   {.memory_bytes = budget, .progress = [&](int64_t done, int64_t total) {
                      ReportProgress(options, done, total);
                    }});
}

}  // namespace pyengine
