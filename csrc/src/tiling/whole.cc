#include "tiling/whole.h"

#include "core/checked_math.h"
#include "graph/accepted_size.h"
#include "pyengine/error.h"
#include "tiling/progress.h"

namespace pyengine {

void SegmentWhole(const WindowRunner& runner, const CheckedImage& image, const OutputView& out,
                  const SegmentOptions& options, int64_t default_memory_bytes) {
  const ImageView& view = image.view();
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
  const int64_t in_h = size.height + 2 * net.margin, in_w = size.width + 2 * net.margin;
  const int64_t budget =
      options.max_memory_bytes > 0 ? options.max_memory_bytes : default_memory_bytes;
  const int64_t needed = runner.executor().RunMemoryBytes(in_h, in_w);
  if (needed > budget)
    throw Error(ErrorCode::kUnsupported, "the image needs " + std::to_string(needed) +
                                             " bytes in one piece, max_memory is " +
                                             std::to_string(budget) +
                                             ", and this network has no exact tiles: " + why +
                                             "; use mode=\"gaussian\" or raise max_memory");
  auto buffers =
      runner.Borrow(CheckedMul(CheckedMul(in_h, in_w, "image"), net.channels, "image"),
                    CheckedMul(CheckedMul(size.height, size.width, "image"), net.classes, "image"));
  runner.Gather(image, options.padding, -net.margin, -net.margin, in_h, in_w,
                buffers->windows.data());
  runner.Run(buffers->windows.data(), buffers->logits.data(), 1, in_h, in_w);
  runner.Write(buffers->logits.data(), size, 0, 0, RegionOf(options, view.height, view.width), out);
  ReportProgress(options, 1, 1);
}

}  // namespace pyengine
