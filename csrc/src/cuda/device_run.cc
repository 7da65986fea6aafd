// The network itself on a device: inputs of the caller's own, from host memory and back.
#include <algorithm>
#include <cstring>

#include "cuda/device_session.h"
#include "pyengine/error.h"

namespace pyengine {

void DeviceTiler::Run(const float* in, float* out, int64_t n, TileSize size) const {
  const int64_t h = size.height, w = size.width;
  if (h > network_->max_height() || w > network_->max_width())
    throw Error(ErrorCode::kUnsupported,
                "input of " + std::to_string(h) + " x " + std::to_string(w) +
                    " px: the plan takes up to " + std::to_string(network_->max_height()) + " x " +
                    std::to_string(network_->max_width()) + " px; build it for larger tiles");
  const int64_t out_h = net_.dense ? h - 2 * net_.margin : 1;
  const int64_t out_w = net_.dense ? w - 2 * net_.margin : 1;
  const int64_t in_bytes = net_.channels * h * w * 4, out_bytes = net_.classes * out_h * out_w * 4;
  const int64_t batch = std::min<int64_t>(n, network_->max_batch());
  const bool half = network_->half_input();
  const auto* scales = static_cast<const float*>(scales_.data());
  auto lease = Borrow();
  Session& session = *lease;
  const SettleOnError settle(session);
  const auto in_room = static_cast<size_t>(batch * in_bytes);
  const auto out_room = static_cast<size_t>(batch * out_bytes);
  session.Reserve(in_room, out_room, in_room, out_room);
  Session::Turn& turn = session.turns[0];
  DeviceStream& stream = *turn.stream;
  auto* logits = static_cast<float*>(turn.logits.data());
  for (int64_t first = 0; first < n; first += batch) {
    const int64_t count = std::min(batch, n - first);
    std::memcpy(session.pinned_image.data(), in + first * in_bytes / 4,
                static_cast<size_t>(count * in_bytes));
    stream.CopyIn(session.image.data(), session.pinned_image.data(),
                  static_cast<size_t>(count * in_bytes));
    // Each input is an image in planes, and one tile without context.
    for (int64_t i = 0; i < count; ++i) {
      const ImageView image{.data = static_cast<const char*>(session.image.data()) + i * in_bytes,
                            .type = PixelType::kFloat32,
                            .height = h,
                            .width = w,
                            .channels = net_.channels,
                            .row_stride_bytes = w * 4,
                            .pixel_stride_bytes = 4,
                            .channel_stride_bytes = h * w * 4,
                            .rows = h};
      char* window = static_cast<char*>(turn.windows.data()) + i * (half ? in_bytes / 2 : in_bytes);
      stream.Gather({.image = image,
                     .padding = PaddingMode::kConstant,
                     .tiles = {.tile_height = h, .tile_width = w, .count = 1},
                     .height = h,
                     .width = w,
                     .gain = scales + 2 * net_.channels,
                     .offset = scales + 3 * net_.channels,
                     .windows = window,
                     .half = half});
    }
    turn.lane->Run(stream, turn.windows.data(), logits, count, h, w);
    stream.CopyOut(session.pinned_result.data(), logits, static_cast<size_t>(count * out_bytes));
    stream.Synchronize();
    std::memcpy(out + first * out_bytes / 4, session.pinned_result.data(),
                static_cast<size_t>(count * out_bytes));
  }
}

}  // namespace pyengine
