// Overlapping windows on a device, averaged by weights.
#include <algorithm>
#include <cstring>

#include "cuda/device_session.h"
#include "cuda/packing.h"
#include "graph/accepted_size.h"
#include "pyengine/error.h"
#include "tiling/blend.h"
#include "tiling/progress.h"

namespace pyengine {

void DeviceTiler::SegmentBlended(const CheckedImage& checked, const OutputView& out,
                                 const SegmentOptions& options) const {
  const ImageView& image = checked.view();
  const auto side = [&](int64_t wanted, int64_t size, int64_t most) {
    const int64_t largest = most - 2 * net_.margin;
    if (!net_.tileable) return largest;
    if (wanted > largest)
      throw Error(ErrorCode::kInvalidArgument,
                  "tile of " + std::to_string(wanted) + " px: the plan takes tiles of up to " +
                      std::to_string(largest) + " px; build it for larger ones");
    const int64_t px = wanted > 0 ? wanted : std::min(kDefaultBlendTilePx, largest);
    // Rounded up to what the network accepts, or down where the plan ends.
    const int64_t accepted = AcceptedOutput(net_, std::min(px, size), 0);
    return accepted > largest ? accepted - net_.alignment : accepted;
  };
  const BlendPlan blend = PlanBlend(
      image.height, image.width, side(options.tile_height_px, image.height, network_->max_height()),
      side(options.tile_width_px, image.width, network_->max_width()), options.overlap);
  TilePlan plan;  // of a batch
  plan.window = {.height = blend.height + 2 * net_.margin,
                 .width = blend.width + 2 * net_.margin,
                 .top = 0,
                 .left = 0};
  const auto windows = static_cast<int64_t>(blend.rows.size() * blend.columns.size());
  plan.batch_size = static_cast<int>(std::min<int64_t>(network_->max_batch(), windows));
  const auto [window_bytes, logit_bytes] = BatchBytes(plan);
  const std::vector<float> weights =
      BlendWeights({.height = blend.height, .width = blend.width}, options.mode);
  const int64_t pixels = image.height * image.width;
  const int64_t sums_floats = pixels * (net_.classes + 1);
  const auto in_bytes = static_cast<size_t>(pixels * image.channels * ValueBytes(image.type));
  const auto out_bytes = static_cast<size_t>(OutputBytes(out.kind, net_.classes, pixels));
  const size_t sums_bytes = static_cast<size_t>(sums_floats) * 4, weight_bytes = weights.size() * 4;
  const auto needed = static_cast<int64_t>(in_bytes + out_bytes + sums_bytes + weight_bytes +
                                           Session::kStreams * (window_bytes + logit_bytes));
  if (needed > Budget(options))
    throw Error(ErrorCode::kUnsupported, "blending this image needs " + std::to_string(needed) +
                                             " bytes on the GPU, max_memory is " +
                                             std::to_string(Budget(options)) +
                                             "; use exact mode or the CPU");
  auto lease = Borrow();
  Session& session = *lease;
  session.Reserve(window_bytes, logit_bytes, in_bytes, out_bytes);
  // Sums and weights are rare and large: they are not kept.
  DeviceBuffer sums(device_, DeviceBuffer::Kind::kDevice),
      weight_map(device_, DeviceBuffer::Kind::kDevice);
  DeviceBuffer pinned_weights(device_, DeviceBuffer::Kind::kPinned);
  const SettleOnError settle(session);
  Session::Turn& turn = session.turns[0];
  DeviceStream& stream = *turn.stream;
  std::memcpy(pinned_weights.Grow(weight_bytes), weights.data(), weight_bytes);
  stream.CopyIn(weight_map.Grow(weight_bytes), pinned_weights.data(), weight_bytes);
  stream.Clear(sums.Grow(sums_bytes), sums_bytes);
  Pack(image, {.begin = 0, .end = image.height}, static_cast<char*>(session.pinned_image.data()));
  stream.CopyIn(session.image.data(), session.pinned_image.data(), in_bytes);
  const ImageView on_device =
      PackedView(image, {.begin = 0, .end = image.height}, session.image.data());
  const auto* gain = static_cast<const float*>(scales_.data());
  auto* sum = static_cast<float*>(sums.data());
  float* coverage = sum + pixels * net_.classes;
  const auto columns = static_cast<int64_t>(blend.columns.size());
  const size_t window_step = window_bytes / plan.batch_size;
  const size_t logit_step = logit_bytes / plan.batch_size / 4;
  const bool half = network_->half_input();
  for (int64_t first = 0; first < windows;) {
    const int64_t count = std::min<int64_t>(plan.batch_size, windows - first);
    auto* logits = static_cast<float*>(turn.logits.data());
    const auto origin = [&](int64_t i) {
      return std::pair{blend.rows[(first + i) / columns], blend.columns[(first + i) % columns]};
    };
    for (int64_t i = 0; i < count; ++i) {
      const auto [y, x] = origin(i);
      // One tile at the image's origin, whose context ends where the window begins.
      const TileRun tile{.tile_height = blend.height,
                         .tile_width = blend.width,
                         .tiles_across = 1,
                         .context_y = net_.margin - y,
                         .context_x = net_.margin - x,
                         .first = 0,
                         .count = 1};
      stream.Gather({.image = on_device,
                     .padding = options.padding,
                     .tiles = tile,
                     .height = plan.window.height,
                     .width = plan.window.width,
                     .gain = gain,
                     .offset = gain + net_.channels,
                     .windows = static_cast<char*>(turn.windows.data()) + i * window_step,
                     .half = half});
    }
    turn.lane->Run(stream, turn.windows.data(), logits, count, plan.window.height,
                   plan.window.width);
    for (int64_t i = 0; i < count; ++i) {
      const auto [y, x] = origin(i);
      stream.Blend({.logits = logits + i * logit_step,
                    .weights = static_cast<const float*>(weight_map.data()),
                    .height = blend.height,
                    .width = blend.width,
                    .y = y,
                    .x = x,
                    .classes = net_.classes,
                    .image_height = image.height,
                    .image_width = image.width,
                    .sums = sum,
                    .coverage = coverage});
    }
    first += count;
    ReportProgress(options, first, windows);
  }
  stream.FinishBlend({.sums = sum,
                      .coverage = coverage,
                      .classes = net_.classes,
                      .height = image.height,
                      .width = image.width,
                      .head = head_,
                      .result = {.kind = out.kind,
                                 .data = session.result.data(),
                                 .row_stride = image.width,
                                 .plane_stride = pixels}});
  stream.CopyOut(session.pinned_result.data(), session.result.data(), out_bytes);
  stream.Synchronize();
  Unpack(static_cast<const char*>(session.pinned_result.data()), net_.classes, image.height,
         image.width, 0, out);
}

}  // namespace pyengine
