#include "tiling/tiler.h"

#include <algorithm>
#include <utility>

#include "pyengine/error.h"
#include "tiling/blend.h"
#include "tiling/exact.h"
#include "tiling/gather.h"
#include "tiling/volume/volume_tiler.h"
#include "tiling/whole.h"

namespace pyengine {

void Segmenter::SegmentVolume(const VolumeImage& /*volume*/, const VolumeOutput& /*output*/,
                              const SegmentOptions& /*options*/) const {
  throw Error(ErrorCode::kUnsupported, "networks over volumes run on the CPU: device=\"cpu\"");
}

Tiler::Tiler(std::shared_ptr<Executor> executor, const SegmentationModel& model,
             std::shared_ptr<ThreadPool> pool)
    : runner_(std::move(executor), model, std::move(pool)),
      layouts_(model.why_not_tileable, memory_) {}

TilePlan Tiler::Plan(int64_t height, int64_t width, const SegmentOptions& options) const {
  return layouts_.Find(runner_.executor(), height, width, options)->plan;
}

Range Tiler::BandRows(int64_t height, int64_t width, Range rows,
                      const SegmentOptions& options) const {
  if (options.mode != TileMode::kExact)
    return BlendedBandRows(runner_.model(), height, width, rows, options);
  const auto layout = layouts_.Find(runner_.executor(), height, width, options);
  const Range part = layout->part().rows;
  rows = {.begin = std::max(rows.begin, part.begin), .end = std::min(rows.end, part.end)};
  return RowsBehind(layout->PlaneRows(rows), height, options.padding);
}

void Tiler::Segment(const CheckedImage& image, Range rows, const OutputView& out,
                    const SegmentOptions& options) const {
  if (options.mode != TileMode::kExact) return SegmentBlended(runner_, image, rows, out, options);
  if (!runner_.net().tileable)
    return SegmentWhole(runner_, image, out, options, memory_.most_bytes);
  const ImageView& view = image.view();
  const auto layout = layouts_.Find(runner_.executor(), view.height, view.width, options);
  SegmentExact(runner_, *layout, image, rows, out, options);
}

void Tiler::SegmentVolume(const VolumeImage& volume, const VolumeOutput& output,
                          const SegmentOptions& options) const {
  pyengine::SegmentVolume(runner_, volume, output, options, memory_.most_bytes);
}

void Tiler::Run(const float* in, float* out, int64_t n, TileSize size) const {
  if (runner_.net().volume) return runner_.executor().RunVolume(in, out, n, size);
  runner_.executor().Run(in, out, n, size.height, size.width);
}

std::vector<OpTime> Tiler::Profile(TileSize size, int passes) const {
  if (runner_.net().volume) return runner_.executor().ProfileVolume(size, passes);
  return runner_.executor().Profile(size.height, size.width, passes);
}

}  // namespace pyengine
