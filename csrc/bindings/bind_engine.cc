// An opened engine: converts, releases the GIL, calls, returns.
#include <pybind11/numpy.h>
#include <pybind11/stl.h>

#include <algorithm>
#include <optional>
#include <string>
#include <tuple>
#include <vector>

#include "bind.h"
#include "borrowed_image.h"
#include "callable_executor.h"
#include "device_memory.h"
#include "gil.h"
#include "pyengine/engine.h"

namespace py = pybind11;
using namespace pybind11::literals;

namespace pyengine {
namespace {

Engine OpenEngine(const std::string& path, const EngineOptions& options, const py::object& callable,
                  int64_t halo_px, int64_t alignment_px) {
  if (!callable.is_none()) {
    EngineOptions with_context = options;
    with_context.executor_halo_px = halo_px;
    with_context.executor_alignment_px = alignment_px;
    return Engine::Open(
        path, [&](const EngineInfo& info) { return MakeCallableExecutor(info.geometry, callable); },
        with_context);
  }
  std::optional<Engine> engine;
  WithoutGil([&] { engine = Engine::Open(path, options); });
  return *std::move(engine);
}

py::dict InfoDict(const Engine& engine) {
  const EngineInfo& i = engine.info();
  const NetworkGeometry& g = i.geometry;
  py::list classes, layers;
  for (const ClassInfo& c : i.classes)
    classes.append(py::make_tuple(c.name, py::make_tuple(c.color[0], c.color[1], c.color[2])));
  for (const LayerInfo& l : i.layers)
    layers.append(
        py::make_tuple(l.name, l.op, l.channels, l.parameters, l.flops_per_pixel, l.stride_px));
  return py::dict(
      "task"_a = i.task, "channels"_a = g.channels, "outputs"_a = g.classes, "halo"_a = g.halo,
      "before"_a = g.before, "after"_a = g.after, "size_residue"_a = g.size_residue,
      "margin"_a = g.margin, "alignment"_a = g.alignment, "tileable"_a = g.tileable,
      "volume"_a = g.volume, "not_tileable_reason"_a = i.not_tileable_reason,
      "receptive_field"_a = i.receptive_field_px, "parameters"_a = i.parameters,
      "flops_per_pixel"_a = i.flops_per_pixel, "activation"_a = i.activation,
      "preprocessing_needs_image"_a = i.preprocessing_needs_image,
      "more_preprocessing"_a = i.more_preprocessing, "classes"_a = classes, "layers"_a = layers,
      "isa"_a = i.isa, "device"_a = i.device, "gpu"_a = i.gpu, "why_not_gpu"_a = i.why_not_gpu,
      "threads"_a = i.threads, "manifest_json"_a = i.manifest_json);
}

py::dict Plan(const Engine& engine, int64_t height, int64_t width, const SegmentOptions& options) {
  const TilePlan p = engine.Plan(height, width, options);
  return py::dict("tile"_a = py::make_tuple(p.tile.height, p.tile.width),
                  "window"_a = py::make_tuple(p.window.height, p.window.width),
                  "context"_a = py::make_tuple(p.window.top, p.window.left),
                  "grid"_a = py::make_tuple(p.tiles_down, p.tiles_across),
                  "batch_size"_a = p.batch_size, "memory_bytes"_a = p.memory_bytes,
                  "cost"_a = p.cost, "slowdown"_a = p.slowdown,
                  "origin"_a = py::make_tuple(p.top_px, p.left_px),
                  "origin_step"_a = p.origin_step_px, "reach"_a = p.reach_px);
}

void Prepare(const Engine& engine, int64_t height, int64_t width, const SegmentOptions& options) {
  WithoutGil([&] { engine.Prepare(height, width, options); });
}

py::dict Memory(const Engine& engine) {
  const MemoryUse m = engine.Memory();
  return py::dict("weights_bytes"_a = m.weights_bytes, "in_use_bytes"_a = m.in_use_bytes,
                  "idle_bytes"_a = m.idle_bytes);
}

py::array NewOutput(const Engine& engine, OutputKind kind, int64_t rows, int64_t width) {
  if (kind == OutputKind::kLabels) return py::array_t<uint8_t>({rows, width});
  return py::array_t<float>({engine.info().geometry.classes, rows, width});
}

py::array Segment(const Engine& engine, const BorrowedImage& image, OutputKind kind,
                  const SegmentOptions& options) {
  const ImageView& view = image.view;
  const bool region = options.has_region();
  const int64_t height = region ? options.region_height_px : view.height;
  const int64_t width = region ? options.region_width_px : view.width;
  // An array as large as the region, once it is known to lie within the image.
  const bool within = height <= view.height && width <= view.width;
  py::array out = NewOutput(engine, kind, within ? height : 1, within ? width : 1);
  void* data = out.mutable_data();
  WithoutGil([&] {
    if (kind == OutputKind::kLabels)
      engine.SegmentLabels(view, static_cast<uint8_t*>(data), width, options);
    else
      engine.SegmentScores(view, kind, static_cast<float*>(data), options);
  });
  return out;
}

// `slices` holds those of a volume one below the other.
py::array SegmentVolume(const Engine& engine, const BorrowedImage& slices, int64_t depth,
                        OutputKind kind, const SegmentOptions& options) {
  const ImageView& view = slices.view;
  const int64_t height = view.height / std::max<int64_t>(1, depth), width = view.width;
  py::array out;
  if (kind == OutputKind::kLabels)
    out = py::array_t<uint8_t>({depth, height, width});
  else
    out = py::array_t<float>({engine.info().geometry.classes, depth, height, width});
  void* data = out.mutable_data();
  WithoutGil([&] { engine.SegmentVolume(view, depth, kind, data, options); });
  return out;
}

// `slab` is called with copies of (labels or scores of) the next slices.
void SegmentSlabs(const Engine& engine, const BorrowedImage& slices, int64_t depth, OutputKind kind,
                  const SegmentOptions& options, const py::object& slab) {
  const ImageView& view = slices.view;
  const int64_t height = view.height / std::max<int64_t>(1, depth), width = view.width;
  const SlabFn tell = [&](int64_t, int64_t count, const void* data, int64_t class_stride) {
    const py::gil_scoped_acquire gil;
    if (kind == OutputKind::kLabels) {
      slab(py::array_t<uint8_t>({count, height, width}, static_cast<const uint8_t*>(data)));
      return;
    }
    constexpr int64_t kFloat = sizeof(float);
    slab(
        py::array_t<float>({engine.info().geometry.classes, count, height, width},
                           {class_stride * kFloat, height * width * kFloat, width * kFloat, kFloat},
                           static_cast<const float*>(data)));
  };
  WithoutGil([&] { engine.SegmentVolume(view, depth, kind, tell, options); });
}

py::tuple BandRows(const Engine& engine, std::tuple<int64_t, int64_t> size,
                   std::tuple<int64_t, int64_t> band, const SegmentOptions& options) {
  int64_t rows[2];
  engine.BandRows(std::get<0>(size), std::get<1>(size), std::get<0>(band), std::get<1>(band),
                  options, rows);
  return py::make_tuple(rows[0], rows[1]);
}

py::array SegmentBand(const Engine& engine, const BorrowedImage& rows, OutputKind kind,
                      std::tuple<int64_t, int64_t> band, const SegmentOptions& options,
                      const ImageStatistics* statistics) {
  auto [begin, end] = band;
  const ImageView& view = rows.view;
  int64_t first = begin, last = end, width = view.width;
  if (options.has_region()) {
    first = std::max(begin, options.region_top_px);
    last = std::max(first, std::min(end, options.region_top_px + options.region_height_px));
    width = options.region_width_px;
  }
  // An array as large as the part, once it is known to lie within the image.
  const bool within = width <= view.width && last - first <= view.height;
  py::array out = NewOutput(engine, kind, within ? last - first : 1, within ? width : 1);
  void* data = out.mutable_data();
  WithoutGil([&, begin = begin, end = end] {
    engine.SegmentBand(rows.view, kind, begin, end, data, options, statistics);
  });
  return out;
}

void SegmentOnDevice(const Engine& engine, const BorrowedImage& image, OutputKind kind,
                     uintptr_t out_address, uintptr_t stream_address,
                     const SegmentOptions& options) {
  auto* out = reinterpret_cast<void*>(out_address);
  auto* stream = reinterpret_cast<void*>(stream_address);
  const ImageView& view = image.view;
  WithoutGil([&] {
    if (kind == OutputKind::kLabels)
      engine.SegmentLabelsOnDevice(view, static_cast<uint8_t*>(out), view.width, stream, options);
    else
      engine.SegmentScoresOnDevice(view, kind, static_cast<float*>(out), stream, options);
  });
}

py::tuple Classify(const Engine& engine, const BorrowedImage& image) {
  Classification found;
  WithoutGil([&] { found = engine.Classify(image.view); });
  const auto& p = found.probabilities;
  return py::make_tuple(found.index,
                        py::array_t<float>(static_cast<py::ssize_t>(p.size()), p.data()));
}

py::array Normalise(const Engine& engine, const BorrowedImage& image) {
  const ImageView& view = image.view;
  py::array_t<float> planes({view.channels, view.height, view.width});
  float* data = planes.mutable_data();
  WithoutGil([&] { engine.Normalise(view, data); });
  return planes;
}

py::array Run(const Engine& engine, const py::array_t<float, py::array::c_style>& batch) {
  int64_t shape[3];
  const int64_t count = batch.shape(0), height = batch.shape(2), width = batch.shape(3);
  engine.RunOutputShape(height, width, shape);
  py::array_t<float> out({count, shape[0], shape[1], shape[2]});
  const float* in = batch.data();
  float* data = out.mutable_data();
  WithoutGil([&] { engine.Run(in, data, count, height, width); });
  return out;
}

py::array RunVolume(const Engine& engine, const py::array_t<float, py::array::c_style>& batch) {
  if (batch.ndim() != 5) throw py::value_error("needs an array (N, C, D, H, W)");
  int64_t shape[4];
  const int64_t count = batch.shape(0), channels = engine.info().geometry.channels;
  if (batch.shape(1) != channels)
    throw py::value_error("the array has " + std::to_string(batch.shape(1)) +
                          " channels, the network takes " + std::to_string(channels));
  const TileSize size{.height = batch.shape(3), .width = batch.shape(4), .depth = batch.shape(2)};
  engine.RunVolumeOutputShape(size, shape);
  py::array_t<float> out({count, shape[0], shape[1], shape[2], shape[3]});
  const float* in = batch.data();
  float* data = out.mutable_data();
  WithoutGil([&] { engine.RunVolume(in, data, count, size); });
  return out;
}

py::list Profile(const Engine& engine, const std::vector<int64_t>& size, int passes) {
  std::vector<OpTime> times;
  if (size.size() != 2 && size.size() != 3) throw py::value_error("size must be of 2 or 3 axes");
  WithoutGil([&] {
    times = size.size() == 2 ? engine.Profile(size[0], size[1], passes)
                             : engine.ProfileVolume(
                                   {.height = size[1], .width = size[2], .depth = size[0]}, passes);
  });
  py::list rows;
  for (const OpTime& t : times)
    rows.append(py::dict("layer"_a = t.layer, "algorithm"_a = t.algorithm, "seconds"_a = t.seconds,
                         "flops"_a = t.flops, "bytes"_a = t.bytes));
  return rows;
}

void StreamWait(const Engine& engine, uintptr_t stream, uintptr_t awaited) {
  engine.StreamWait(reinterpret_cast<void*>(stream), reinterpret_cast<void*>(awaited));
}

}  // namespace

void BindEngine(py::module_& m) {
  BindBorrowedImage(m);
  py::class_<DeviceMemory>(m, "DeviceMemory")
      .def_property_readonly("pointer", [](const DeviceMemory& d) {
        return reinterpret_cast<uintptr_t>(d.memory.get());
      });
  py::class_<ImageStatistics>(m, "ImageStatistics")
      .def("needs_image", &ImageStatistics::NeedsImage)
      .def(
          "see",
          [](ImageStatistics& statistics, const BorrowedImage& rows) {
            WithoutGil([&] { statistics.See(rows.view); });
          },
          "rows"_a);
  py::class_<Engine>(m, "Engine")
      .def(py::init(&OpenEngine), "path"_a, "options"_a, "callable"_a = py::none(), "halo"_a = 0,
           "alignment"_a = 0)
      .def("info", &InfoDict)
      .def("plan", &Plan, "height"_a, "width"_a, "options"_a)
      .def("prepare", &Prepare, "height"_a, "width"_a, "options"_a)
      .def("memory", &Memory)
      .def("trim", &Engine::Trim)
      .def("segment", &Segment, "image"_a, "kind"_a, "options"_a)
      .def("segment_volume", &SegmentVolume, "slices"_a, "depth"_a, "kind"_a, "options"_a)
      .def("segment_slabs", &SegmentSlabs, "slices"_a, "depth"_a, "kind"_a, "options"_a, "slab"_a)
      .def("band_rows", &BandRows, "size"_a, "band"_a, "options"_a)
      .def("segment_band", &SegmentBand, "rows"_a, "kind"_a, "band"_a, "options"_a,
           "statistics"_a = nullptr)
      .def("statistics", &Engine::Statistics, "height"_a)
      .def("segment_on_device", &SegmentOnDevice, "image"_a, "kind"_a, "out"_a, "stream"_a,
           "options"_a)
      .def("classify", &Classify, "image"_a)
      .def("normalise", &Normalise, "image"_a)
      .def("run", &Run, "batch"_a.noconvert())
      .def("run_volume", &RunVolume, "batch"_a.noconvert())
      .def("profile", &Profile, "size"_a, "passes"_a)
      .def("allocate_on_device",
           [](const Engine& e, size_t bytes) { return DeviceMemory{e.AllocateOnDevice(bytes)}; })
      .def("stream_wait", &StreamWait, "stream"_a, "awaited"_a);
}

}  // namespace pyengine
