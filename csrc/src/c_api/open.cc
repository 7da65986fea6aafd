// Opening engines, what they say of themselves, and what this machine can run.
#include <string>

#include "c_api/convert.h"
#include "c_api/guard.h"
#include "c_api/handle.h"
#include "c_api/structs.h"
#include "pyengine/c_api.h"
#include "pyengine/engine.h"
#include "pyengine/executor_status.h"

using namespace pyengine;     // NOLINT(google-build-using-namespace): their C face
using namespace pyengine::c;  // NOLINT(google-build-using-namespace)

namespace {

template <class T>
const T& At(const std::vector<T>& list, int64_t index, const char* what) {
  Require(index >= 0 && index < static_cast<int64_t>(list.size()),
          std::string(what) + " " + std::to_string(index) + " is not from 0 to " +
              std::to_string(static_cast<int64_t>(list.size()) - 1));
  return list[static_cast<size_t>(index)];
}

}  // namespace

void pye_engine_options_init(pye_engine_options* options, size_t size) {
  Init(options, size, EngineDefaults());
}

pye_status pye_engine_open(const char* path, const pye_engine_options* options,
                           pye_engine** engine) {
  if (engine) *engine = nullptr;
  return Guard([&] {
    RequirePointer(path, "path");
    RequirePointer(engine, "engine");
    *engine = new pye_engine{Engine::Open(path, OptionsOf(options))};
  });
}

pye_status pye_engine_open_memory(const void* data, size_t bytes, const pye_engine_options* options,
                                  pye_engine** engine) {
  if (engine) *engine = nullptr;
  return Guard([&] {
    RequirePointer(engine, "engine");
    *engine = new pye_engine{Engine::OpenMemory(data, bytes, OptionsOf(options))};
  });
}

pye_status pye_engine_open_descriptor(int descriptor, const pye_engine_options* options,
                                      pye_engine** engine) {
  if (engine) *engine = nullptr;
  return Guard([&] {
    RequirePointer(engine, "engine");
    *engine = new pye_engine{Engine::OpenDescriptor(descriptor, OptionsOf(options))};
  });
}

pye_status pye_engine_memory(const pye_engine* engine, pye_memory* memory) {
  return Guard([&] {
    const MemoryUse use = EngineOf(engine).Memory();
    int64_t streams_bytes = 0;
    {
      const std::scoped_lock lock(engine->mutex);
      for (const FrameStream* stream : engine->streams) streams_bytes += stream->memory_bytes();
    }
    Fill(memory,
         {.size = 0,
          .weights_bytes = use.weights_bytes,
          .in_use_bytes = use.in_use_bytes,
          .idle_bytes = use.idle_bytes,
          .streams_bytes = streams_bytes},
         "pye_memory");
  });
}

pye_status pye_engine_trim(const pye_engine* engine) {
  return Guard([&] { EngineOf(engine).Trim(); });
}

pye_status pye_set_log(pye_log log, void* user, int32_t level) {
  return Guard([&] {
    const LogLevel least = LogLevelOf(level);
    if (log == nullptr) return SetLog(nullptr, least);
    SetLog(
        [log, user](LogLevel weight, const std::string& message) {
          log(user, static_cast<int32_t>(weight), message.c_str());
        },
        least);
  });
}

pye_status pye_engine_close(pye_engine* engine) {
  return Guard([&] {
    if (engine == nullptr) return;
    {
      const std::scoped_lock lock(engine->mutex);
      if (const size_t open = engine->streams.size(); open > 0)
        throw Error(ErrorCode::kBusy, "the engine has " + std::to_string(open) +
                                          (open == 1 ? " stream" : " streams") +
                                          "; close what is open on it first");
    }
    delete engine;
  });
}

pye_status pye_scheduler_open(pye_scheduler** scheduler) {
  if (scheduler) *scheduler = nullptr;
  return Guard([&] {
    RequirePointer(scheduler, "scheduler");
    *scheduler = new pye_scheduler{.scheduler = MakeScheduler()};
  });
}

void pye_scheduler_close(pye_scheduler* scheduler) {
  delete scheduler;
}

pye_status pye_engine_describe(const pye_engine* engine, pye_engine_info* info) {
  return Guard([&] {
    const EngineInfo& i = EngineOf(engine).info();
    const NetworkGeometry& g = i.geometry;
    Fill(info,
         {.size = 0,
          .channels = g.channels,
          .classes = g.classes,
          .label_count = static_cast<int64_t>(i.classes.size()),
          .halo_px = g.halo,
          .alignment_px = g.alignment,
          .parameters = i.parameters,
          .flops_per_pixel = i.flops_per_pixel,
          .threads = i.threads,
          .tileable = g.tileable ? 1 : 0,
          .before_px = g.before,
          .after_px = g.after,
          .margin_px = g.margin,
          .size_residue_px = g.size_residue,
          .receptive_field_px = i.receptive_field_px,
          .sample_height_px = i.sample_height,
          .sample_width_px = i.sample_width,
          .layer_count = static_cast<int64_t>(i.layers.size()),
          .dense = g.dense ? 1 : 0,
          .input_type = static_cast<int32_t>(i.input_type),
          .input_gain = i.input_gain.data(),
          .input_offset = i.input_offset.data(),
          .task = i.task.c_str(),
          .activation = i.activation.c_str(),
          .not_tileable_reason = i.not_tileable_reason.c_str(),
          .device = i.device.c_str(),
          .gpu = i.gpu.c_str(),
          .why_not_gpu = i.why_not_gpu.c_str(),
          .isa = i.isa.c_str(),
          .manifest_json = i.manifest_json.c_str(),
          .graph_json = i.graph_json.c_str(),
          .fixed_height_px = g.fixed_height,
          .fixed_width_px = g.fixed_width,
          .result_count = static_cast<int64_t>(i.results.size()),
          .more_preprocessing = i.more_preprocessing ? 1 : 0,
          .preprocessing_needs_image = i.preprocessing_needs_image ? 1 : 0,
          .sample_depth_px = i.sample_depth,
          .volume = g.volume ? 1 : 0},
         "pye_engine_info");
  });
}

pye_status pye_engine_class(const pye_engine* engine, int64_t index, pye_class_info* info) {
  return Guard([&] {
    const ClassInfo& c = At(EngineOf(engine).info().classes, index, "class");
    Fill(info, {.size = 0, .name = c.name.c_str(), .color = {c.color[0], c.color[1], c.color[2]}},
         "pye_class_info");
  });
}

pye_status pye_engine_layer(const pye_engine* engine, int64_t index, pye_layer_info* info) {
  return Guard([&] {
    const LayerInfo& l = At(EngineOf(engine).info().layers, index, "layer");
    Fill(info,
         {.size = 0,
          .name = l.name.c_str(),
          .op = l.op.c_str(),
          .channels = l.channels,
          .parameters = l.parameters,
          .flops_per_pixel = l.flops_per_pixel,
          .stride_px = l.stride_px},
         "pye_layer_info");
  });
}

pye_status pye_engine_result(const pye_engine* engine, int64_t index, pye_result_info* info) {
  return Guard([&] {
    const ResultInfo& r = At(EngineOf(engine).info().results, index, "result");
    Fill(info,
         {.size = 0,
          .name = r.name.c_str(),
          .first_plane = r.first_plane,
          .planes = r.planes,
          .activation = r.activation.c_str(),
          .shrink = r.shrink,
          .enlarge = r.enlarge},
         "pye_result_info");
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

pye_status pye_list_executors(const char* const* library_folders, int64_t library_folder_count,
                              void (*visit)(void* user, const pye_executor_status* status),
                              void* user) {
  return Guard([&] {
    Require(visit != nullptr, "visit is NULL");
    for (const ExecutorStatus& s : ListExecutors(Folders(library_folders, library_folder_count))) {
      const pye_executor_status status = {.size = sizeof(status),
                                          .name = s.name.c_str(),
                                          .detail = s.detail.c_str(),
                                          .why_not = s.why_not.c_str(),
                                          .why_no_build = s.why_no_build.c_str()};
      visit(user, &status);
    }
  });
}
