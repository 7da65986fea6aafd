#include "pyengine/c_api.h"

#include <algorithm>
#include <cstring>
#include <new>
#include <string>

#include "pyengine/engine.h"
#include "pyengine/error.h"
#include "pyengine/version.h"

using pyengine::Engine;
using pyengine::Error;
using pyengine::ErrorCode;

struct pye_engine {
  Engine engine;
};

namespace {

thread_local std::string last_error;

pye_status Remember(pye_status status, const char* message) noexcept {
  try {
    last_error = message;
  } catch (...) {
    last_error.clear();  // no memory for words; the status still tells
  }
  return status;
}

template <class F>
pye_status Guard(F&& body) noexcept {
  try {
    body();
    return PYE_OK;
  } catch (const Error& e) {
    return Remember(static_cast<pye_status>(e.code()), e.what());
  } catch (const std::bad_alloc&) {
    return Remember(PYE_OUT_OF_MEMORY, "out of memory");
  } catch (const std::exception& e) {
    return Remember(PYE_INTERNAL, e.what());
  } catch (...) {
    return Remember(PYE_INTERNAL, "unknown exception");
  }
}

void Require(bool condition, const char* message) {
  if (!condition) throw Error(ErrorCode::kInvalidArgument, message);
}

// The caller's struct may be older (shorter) or newer (longer) than ours.
template <class T>
T Adopt(const T* given, T defaults, const char* what) {
  if (given == nullptr) return defaults;
  Require(given->size >= sizeof(size_t), what);
  std::memcpy(&defaults, given, std::min(given->size, sizeof(T)));
  return defaults;
}

// Every other default is 0.
pye_segment_options SegmentDefaults() {
  pye_segment_options options{};
  options.mode = PYE_EXACT;
  options.overlap = 0.25;
  return options;
}

// Writes no more than the caller's struct holds; what a newer one holds beyond ours stays 0.
template <class T>
void Init(T* options, size_t size, const T& defaults) {
  if (options == nullptr || size < sizeof(size_t)) return;
  std::memset(options, 0, size);
  std::memcpy(options, &defaults, std::min(size, sizeof(T)));
  options->size = size;
}

pyengine::ImageView ViewOf(const pye_image* image) {
  Require(image != nullptr, "image is NULL");
  Require(image->type == PYE_UINT8 || image->type == PYE_UINT16 || image->type == PYE_FLOAT32,
          "image type must be PYE_UINT8, PYE_UINT16 or PYE_FLOAT32");
  pyengine::ImageView view;
  view.data = image->data;
  view.type = static_cast<pyengine::PixelType>(image->type);
  view.height = image->height;
  view.width = image->width;
  view.channels = image->channels;
  view.row_stride_bytes = image->row_stride_bytes;
  view.pixel_stride_bytes = image->pixel_stride_bytes;
  view.channel_stride_bytes = image->channel_stride_bytes;
  return view;
}

pyengine::SegmentOptions OptionsOf(const pye_segment_options* given) {
  const pye_segment_options o =
      Adopt(given, SegmentDefaults(), "options.size is not set; call pye_segment_options_init");
  Require(o.mode == PYE_EXACT || o.mode == PYE_CONSTANT || o.mode == PYE_GAUSSIAN,
          "mode must be PYE_EXACT, PYE_CONSTANT or PYE_GAUSSIAN");
  Require(o.augmentation >= PYE_AUGMENT_NONE && o.augmentation <= PYE_AUGMENT_D4,
          "augmentation must be PYE_AUGMENT_NONE, PYE_AUGMENT_FLIPS or PYE_AUGMENT_D4");
  pyengine::SegmentOptions options;
  options.tile_height_px = o.tile_height_px;
  options.tile_width_px = o.tile_width_px;
  options.batch_size = o.batch_size;
  options.max_memory_bytes = o.max_memory_bytes;
  options.mode = static_cast<pyengine::TileMode>(o.mode);
  options.overlap = o.overlap;
  options.one_thread = o.one_thread != 0;
  options.augmentation = static_cast<pyengine::Augmentation>(o.augmentation);
  if (o.progress)
    options.progress = [o](int64_t done, int64_t total) {
      return o.progress(o.user, done, total) != 0;
    };
  return options;
}

}  // namespace

void pye_engine_options_init(pye_engine_options* options, size_t size) {
  Init(options, size, pye_engine_options{});
}

void pye_segment_options_init(pye_segment_options* options, size_t size) {
  Init(options, size, SegmentDefaults());
}

pye_status pye_engine_open(const char* path, const pye_engine_options* options,
                           pye_engine** engine) {
  if (engine) *engine = nullptr;
  return Guard([&] {
    Require(path != nullptr, "path is NULL");
    Require(engine != nullptr, "engine is NULL");
    const pye_engine_options o = Adopt(options, pye_engine_options{},
                                       "options.size is not set; call pye_engine_options_init");
    pyengine::EngineOptions open;
    open.threads = o.threads;
    if (o.isa) open.isa = o.isa;
    Require(o.accuracy == PYE_ACCURACY_DEFAULT || o.accuracy == PYE_ACCURACY_FAST,
            "accuracy is not one of pye_accuracy");
    open.accuracy = static_cast<pyengine::Accuracy>(o.accuracy);
    open.pin_threads = o.pin_threads != 0;
    if (o.device) open.device = o.device;
    Require(o.on_mismatch >= PYE_RAISE && o.on_mismatch <= PYE_CPU,
            "on_mismatch is not one of pye_on_mismatch");
    open.on_mismatch = static_cast<pyengine::OnMismatch>(o.on_mismatch);
    *engine = new pye_engine{Engine::Open(path, open)};
  });
}

void pye_engine_close(pye_engine* engine) {
  delete engine;
}

pye_status pye_engine_describe(const pye_engine* engine, pye_engine_info* info) {
  return Guard([&] {
    Require(engine != nullptr, "engine is NULL");
    Require(info != nullptr, "info is NULL");
    Require(info->size >= sizeof(size_t), "info.size is not set");
    const pyengine::EngineInfo& i = engine->engine.info();
    const pye_engine_info full = {info->size,         i.geometry.channels,
                                  i.geometry.classes, static_cast<int64_t>(i.classes.size()),
                                  i.geometry.halo,    i.geometry.alignment,
                                  i.parameters,       i.flops_per_pixel,
                                  i.threads,          i.geometry.tileable ? 1 : 0};
    std::memcpy(info, &full, std::min(info->size, sizeof(full)));
  });
}

const char* pye_engine_label_name(const pye_engine* engine, int64_t index) {
  if (engine == nullptr) return nullptr;
  const auto& classes = engine->engine.info().classes;
  if (index < 0 || index >= static_cast<int64_t>(classes.size())) return nullptr;
  return classes[static_cast<size_t>(index)].name.c_str();
}

const char* pye_engine_device(const pye_engine* engine) {
  return engine == nullptr ? nullptr : engine->engine.info().device.c_str();
}

const char* pye_engine_why_not_gpu(const pye_engine* engine) {
  return engine == nullptr ? nullptr : engine->engine.info().why_not_gpu.c_str();
}

pye_status pye_segment_labels(const pye_engine* engine, const pye_image* image, uint8_t* labels,
                              int64_t row_stride_bytes, const pye_segment_options* options) {
  return Guard([&] {
    Require(engine != nullptr, "engine is NULL");
    engine->engine.SegmentLabels(ViewOf(image), labels, row_stride_bytes, OptionsOf(options));
  });
}

pye_status pye_segment_scores(const pye_engine* engine, const pye_image* image, pye_scores kind,
                              float* scores, const pye_segment_options* options) {
  return Guard([&] {
    Require(engine != nullptr, "engine is NULL");
    Require(kind == PYE_PROBABILITIES || kind == PYE_LOGITS,
            "kind must be PYE_PROBABILITIES or PYE_LOGITS");
    engine->engine.SegmentScores(ViewOf(image), static_cast<pyengine::OutputKind>(kind), scores,
                                 OptionsOf(options));
  });
}

const char* pye_last_error(void) {
  return last_error.c_str();
}
const char* pye_version(void) {
  return PYENGINE_VERSION;
}
