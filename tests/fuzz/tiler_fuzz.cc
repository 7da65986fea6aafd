// The tiler's geometry: an executor that returns its input gives the image back, bit for bit, for
// any size, tile, halo, alignment, batch and padding; blended windows give it within rounding.
#include <fuzzer/FuzzedDataProvider.h>

#include <cmath>
#include <cstdint>
#include <memory>
#include <vector>

#include "core/thread_pool.h"
#include "pyengine/error.h"
#include "support/identity_executor.h"
#include "tiling/tiler.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace pyengine;
  FuzzedDataProvider bytes(data, size);
  const auto number = [&](int64_t min, int64_t max) {
    return bytes.ConsumeIntegralInRange<int64_t>(min, max);
  };
  static const auto pool = std::make_shared<ThreadPool>(2);
  const int64_t alignment = number(1, 16), margin = number(0, 9);
  const int64_t halo = (margin + number(0, 40) + alignment - 1) / alignment * alignment;
  const int64_t h = number(1, 90), w = number(1, 90), channels = number(1, 3);
  const auto executor = std::make_shared<IdentityExecutor>(halo, alignment, margin, channels);
  const SegmentationModel model{.geometry = executor->geometry(),
                                .normalisation = {.gain = std::vector<float>(channels, 1),
                                                  .offset = std::vector<float>(channels, 0)},
                                .why_not_tileable = "tileable"};
  std::vector<float> pixels(static_cast<size_t>(h * w * channels));
  uint32_t seed = bytes.ConsumeIntegral<uint16_t>();
  for (float& pixel : pixels) pixel = static_cast<float>((seed = seed * 1664525 + 1) >> 16) / 7;
  // Planes, and every stride may be turned around by its sign.
  const bool up = bytes.ConsumeBool(), left = bytes.ConsumeBool();
  const int64_t first = (up ? (h - 1) * w : 0) + (left ? w - 1 : 0);
  const ImageView view{.data = pixels.data() + first,
                       .type = PixelType::kFloat32,
                       .height = h,
                       .width = w,
                       .channels = channels,
                       .row_stride_bytes = (up ? -w : w) * 4,
                       .pixel_stride_bytes = left ? -4 : 4,
                       .channel_stride_bytes = h * w * 4};
  SegmentOptions options;
  options.tile_height_px = number(0, 60);
  options.tile_width_px = number(0, 60);
  options.batch_size = static_cast<int>(number(0, 4));
  options.mode = bytes.PickValueInArray(
      {TileMode::kExact, TileMode::kExact, TileMode::kConstant, TileMode::kGaussian});
  options.padding = bytes.PickValueInArray(
      {PaddingMode::kReflect, PaddingMode::kReplicate, PaddingMode::kConstant});
  options.overlap = bytes.PickValueInArray({0.0, 0.25, 0.5, 0.9, 3.0, 17.0});
  options.one_thread = bytes.ConsumeBool();
  std::vector<float> out(pixels.size(), -1);
  try {
    const Tiler tiler(executor, model, pool);
    tiler.Segment(CheckedImage(view, channels, *pool), {.begin = 0, .end = h},
                  {.kind = OutputKind::kLogits,
                   .data = out.data(),
                   .row_stride = w,
                   .plane_stride = h * w,
                   .first_row = 0},
                  options);
  } catch (const Error&) {
    return 0;
  }
  for (int64_t c = 0; c < channels; ++c)
    for (int64_t y = 0; y < h; ++y)
      for (int64_t x = 0; x < w; ++x) {
        const float got = out[static_cast<size_t>((c * h + y) * w + x)];
        const float want = pixels[static_cast<size_t>((c * h + (up ? h - 1 - y : y)) * w +
                                                      (left ? w - 1 - x : x))];
        const bool exact = options.mode == TileMode::kExact;
        // A weighted mean of equal numbers: each of at most a few hundred terms rounds twice.
        if (exact ? got != want : !(std::fabs(got - want) <= 1e-4f * want + 1e-6f))
          __builtin_trap();
      }
  return 0;
}
