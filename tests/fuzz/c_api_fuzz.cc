// The C interface: random sequences of calls, with arguments at and beyond their bounds. Each call
// returns a status; what is written stays within its buffer, which AddressSanitizer watches.
#include <fuzzer/FuzzedDataProvider.h>

#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "pyengine/c_api.h"

namespace {

constexpr int64_t kMaxSide = 40;

int64_t Size(FuzzedDataProvider& bytes) {
  if (bytes.ConsumeIntegralInRange<int>(0, 15) != 0)
    return bytes.ConsumeIntegralInRange<int64_t>(1, kMaxSide);
  return bytes.PickValueInArray<int64_t>(
      {0, -1, INT64_MAX, INT64_MIN, int64_t{1} << 30, int64_t{1} << 40, 65536});
}

// A number that options may hold: mostly small, sometimes anything.
int64_t Any(FuzzedDataProvider& bytes) {
  return bytes.ConsumeIntegralInRange<int>(0, 7) ? bytes.ConsumeIntegralInRange<int64_t>(0, 8)
                                                 : bytes.ConsumeIntegral<int64_t>();
}

// A struct that may say it is larger than it is, as one of a newer header is.
template <class T>
struct Roomy {
  T value{};
  char more[256] = {};
};

// A row stride that is too small, or overflows: a larger one would be a promise of memory.
int64_t Narrow(FuzzedDataProvider& bytes, int64_t width) {
  return bytes.PickValueInArray<int64_t>({0, -1, INT64_MIN, INT64_MAX, width > 0 ? width - 1 : 0});
}

struct Buffers {
  std::vector<uint8_t> pixels, labels;
  std::vector<float> scores;
};

// An image whose buffer is as large as its strides say, or a broken one without pixels.
pye_image Image(FuzzedDataProvider& bytes, int64_t channels, Buffers& buffers) {
  pye_image image{};
  image.height = Size(bytes);
  image.width = Size(bytes);
  image.type = static_cast<int32_t>(bytes.ConsumeIntegralInRange<int>(0, 7)
                                        ? bytes.ConsumeIntegralInRange<int>(0, 2)
                                        : bytes.ConsumeIntegral<int32_t>());
  image.channels = bytes.ConsumeIntegralInRange<int>(0, 7) ? channels : Size(bytes);
  const int64_t value = image.type == PYE_UINT8 ? 1 : image.type == PYE_UINT16 ? 2 : 4;
  const bool small = image.height > 0 && image.height <= kMaxSide && image.width > 0 &&
                     image.width <= kMaxSide && image.channels > 0 && image.channels <= kMaxSide;
  if (!small) {
    image.row_stride_bytes = Any(bytes);
    image.pixel_stride_bytes = Any(bytes);
    image.channel_stride_bytes = Any(bytes);
    // Read only where every stride is 0 would still be within one value; so give none.
    image.data = nullptr;
    return image;
  }
  image.pixel_stride_bytes = value * image.channels;
  image.channel_stride_bytes = value;
  image.row_stride_bytes = image.width * image.pixel_stride_bytes;
  const auto size = static_cast<size_t>(image.height * image.row_stride_bytes);
  buffers.pixels.assign(size, 0);
  for (uint8_t& byte : buffers.pixels)
    byte = bytes.remaining_bytes() ? bytes.ConsumeIntegral<uint8_t>() : 63;
  image.data = bytes.ConsumeIntegralInRange<int>(0, 15) ? buffers.pixels.data() : nullptr;
  return image;
}

int32_t Progress(void* user, int64_t done, int64_t total) {
  if (done > total) __builtin_trap();
  return --*static_cast<int*>(user) > 0;
}

pye_segment_options Options(FuzzedDataProvider& bytes, int* patience) {
  pye_segment_options options;
  pye_segment_options_init(&options, sizeof options);
  if (bytes.ConsumeBool()) {
    options.tile_height_px = Any(bytes);
    options.tile_width_px = Any(bytes);
  }
  if (bytes.ConsumeBool()) options.batch_size = static_cast<int32_t>(Any(bytes));
  if (bytes.ConsumeBool() &&
      __builtin_mul_overflow(Any(bytes), int64_t{1} << 20, &options.max_memory_bytes))
    options.max_memory_bytes = Any(bytes);
  if (bytes.ConsumeBool()) options.mode = static_cast<int32_t>(Any(bytes));
  if (bytes.ConsumeBool())
    options.overlap = bytes.PickValueInArray({0.0, 0.5, 1.0, 7.0, -1.0, 1e300, 0.0 / 0.0});
  if (bytes.ConsumeBool()) options.padding = static_cast<int32_t>(Any(bytes));
  if (bytes.ConsumeBool()) options.augmentation = static_cast<int32_t>(Any(bytes));
  if (bytes.ConsumeBool()) options.one_thread = 1;
  if (bytes.ConsumeBool()) {
    options.progress = Progress;
    options.user = patience;
  }
  if (bytes.ConsumeIntegralInRange<int>(0, 15) == 0)
    options.size = bytes.ConsumeIntegralInRange<size_t>(0, sizeof options);
  return options;
}

int64_t Pixels(const pye_image& image) {
  return image.data ? image.height * image.width : 1;
}

void Call(FuzzedDataProvider& bytes, const pye_engine* engine, const pye_engine_info& info) {
  Buffers buffers;
  int patience = bytes.ConsumeIntegralInRange<int>(1, 20);
  pye_segment_options options = Options(bytes, &patience);
  const pye_segment_options* given = bytes.ConsumeBool() ? &options : nullptr;
  const int which = bytes.ConsumeIntegralInRange<int>(0, 9);
  const int64_t h = Size(bytes), w = Size(bytes);
  pye_status status = PYE_OK;
  switch (which) {
    case 0: {
      const pye_image image = Image(bytes, info.channels, buffers);
      buffers.labels.assign(static_cast<size_t>(Pixels(image)), 0);
      status = pye_segment_labels(
          engine, &image, buffers.labels.data(),
          bytes.ConsumeIntegralInRange<int>(0, 7) ? image.width : Narrow(bytes, image.width),
          given);
      break;
    }
    case 1: {
      const pye_image image = Image(bytes, info.channels, buffers);
      buffers.scores.assign(static_cast<size_t>(Pixels(image) * info.classes), 0);
      status = pye_segment_scores(engine, &image, static_cast<int32_t>(Any(bytes)),
                                  buffers.scores.data(), given);
      break;
    }
    case 2: {
      Roomy<pye_tile_plan> plan;
      plan.value.size = bytes.ConsumeBool() ? sizeof plan.value : bytes.ConsumeIntegral<uint8_t>();
      status = pye_engine_plan(engine, h, w, given, &plan.value);
      break;
    }
    case 3: {
      pye_band band{Any(bytes), Any(bytes), 0, 0};
      status = pye_band_rows(engine, h, w, given, &band);
      break;
    }
    case 4: {
      const pye_image image = Image(bytes, info.channels, buffers);
      pye_band band{Any(bytes), Any(bytes), 0, 0};
      if (!image.data || pye_band_rows(engine, image.height, image.width, given, &band) != PYE_OK)
        break;
      buffers.scores.assign(static_cast<size_t>(Pixels(image) * info.classes), 0);
      // All rows are at hand: `data` is row 0.
      band.first_row = 0;
      band.rows = image.height;
      status = pye_segment_band(engine, &image, &band, static_cast<int32_t>(Any(bytes)),
                                buffers.scores.data(), given);
      break;
    }
    case 5: {
      const pye_image image = Image(bytes, info.channels, buffers);
      buffers.scores.assign(static_cast<size_t>(info.label_count), 0);
      int64_t index = -1;
      status = pye_engine_classify(engine, &image, buffers.scores.data(), &index);
      if (status == PYE_OK && (index < 0 || index >= info.label_count)) __builtin_trap();
      break;
    }
    case 6: {
      int64_t shape[3] = {0, 0, 0};
      status = pye_engine_run_output_shape(engine, h, w, shape);
      if (status != PYE_OK || h > kMaxSide || w > kMaxSide) break;
      std::vector<float> in(static_cast<size_t>(info.channels * h * w), 0.5f);
      buffers.scores.assign(static_cast<size_t>(shape[0] * shape[1] * shape[2]), 0);
      status = pye_engine_run(engine, in.data(), buffers.scores.data(), 1, h, w);
      break;
    }
    case 7: {
      const pye_image image = Image(bytes, info.channels, buffers);
      buffers.scores.assign(static_cast<size_t>(Pixels(image) * info.channels), 0);
      status = pye_engine_normalise(engine, &image, buffers.scores.data());
      break;
    }
    case 8: {
      pye_layer_info layer{};
      layer.size = sizeof layer;
      status = pye_engine_layer(engine, Any(bytes), &layer);
      Roomy<pye_class_info> one;
      one.value.size = bytes.ConsumeIntegral<uint8_t>();
      (void)pye_engine_class(engine, Any(bytes), &one.value);
      (void)pye_engine_label_name(engine, Any(bytes));
      break;
    }
    default: {
      // A NULL that is not allowed, at each place in turn.
      status =
          pye_segment_labels(bytes.ConsumeBool() ? engine : nullptr, nullptr, nullptr, w, given);
      if (status == PYE_OK) __builtin_trap();
      break;
    }
  }
  if (status != PYE_OK && std::strlen(pye_last_error()) == 0) __builtin_trap();
  if (status == PYE_INTERNAL) __builtin_trap();
}

struct Opened {
  explicit Opened(const char* name) {
    pye_engine_options options;
    pye_engine_options_init(&options, sizeof options);
    options.threads = 2;
    options.device = "cpu";
    if (pye_engine_open((std::string(PYENGINE_TEST_DATA) + name).c_str(), &options, &engine) !=
        PYE_OK)
      __builtin_trap();
    info.size = sizeof info;
    if (pye_engine_describe(engine, &info) != PYE_OK) __builtin_trap();
  }
  pye_engine* engine = nullptr;
  pye_engine_info info{};
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const Opened segmenter("/tiny.pyengine"), classifier("/tiny-classifier.pyengine");
  FuzzedDataProvider bytes(data, size);
  for (int calls = 0; calls < 6 && bytes.remaining_bytes() > 0; ++calls) {
    const Opened& one = bytes.ConsumeIntegralInRange<int>(0, 3) ? segmenter : classifier;
    Call(bytes, one.engine, one.info);
  }
  return 0;
}
