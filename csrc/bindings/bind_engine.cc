#include <pybind11/functional.h>
#include <pybind11/numpy.h>
#include <pybind11/stl.h>

#include <optional>

#include "array_convert.h"
#include "bind.h"
#include "device_memory.h"
#include "gil.h"
#include "pyengine/engine.h"
#include "pyengine/error.h"

namespace py = pybind11;
using namespace pybind11::literals;

namespace pyengine {
namespace {

// A Python callable (N, C, H, W) float32 -> (N, K, H', W') float32 as an executor; a classifier's
// may return (N, K). It runs under the GIL, one call at a time.
class CallableExecutor final : public Executor {
 public:
  CallableExecutor(const NetworkGeometry& geometry, py::object callable)
      : Executor(geometry), callable_(std::move(callable)) {}
  ~CallableExecutor() override {
    py::gil_scoped_acquire gil;
    callable_ = py::object();
  }

  void Run(const float* in, float* out, int64_t n, int64_t h, int64_t w) override {
    py::gil_scoped_acquire gil;
    const NetworkGeometry& g = geometry();
    py::array_t<float> batch({n, g.channels, h, w});
    std::copy_n(in, batch.size(), batch.mutable_data());
    const py::object result = callable_(batch);
    const auto array =
        py::array_t<float, py::array::c_style | py::array::forcecast>::ensure(result);
    const int64_t want[4] = {n, g.classes, g.dense ? h - 2 * g.margin : 1,
                             g.dense ? w - 2 * g.margin : 1};
    bool fits = array && (array.ndim() == 4 || (array.ndim() == 2 && !g.dense));
    for (int i = 0; fits && i < array.ndim(); ++i) fits = array.shape(i) == want[i];
    if (!fits) {
      PyErr_Clear();
      throw Error(
          ErrorCode::kInvalidArgument,
          "the executor returned " +
              (array ? py::str(array.attr("shape")).cast<std::string>() : std::string("no array")) +
              ", the network's output is " +
              py::str(py::make_tuple(want[0], want[1], want[2], want[3])).cast<std::string>());
    }
    std::copy_n(array.data(), array.size(), out);
  }

 private:
  py::object callable_;
};

// `progress` is borrowed: the core copies options without the lock, which counting references
// needs.
SegmentOptions Options(int64_t tile_h, int64_t tile_w, int batch_size, int64_t max_memory, int mode,
                       double overlap, int padding, py::handle progress) {
  SegmentOptions o;
  o.tile_height_px = tile_h;
  o.tile_width_px = tile_w;
  o.batch_size = batch_size;
  o.max_memory_bytes = max_memory;
  o.mode = static_cast<TileMode>(mode);
  o.overlap = overlap;
  o.padding = static_cast<PaddingMode>(padding);
  // Without a callback, signals are looked at, so that Ctrl-C cancels a long call.
  o.progress = [progress](int64_t done, int64_t total) {
    py::gil_scoped_acquire gil;
    if (PyErr_CheckSignals() != 0) throw py::error_already_set();
    if (progress.is_none()) return true;
    const py::object keep_going = progress(done, total);
    return keep_going.is_none() || keep_going.cast<bool>();
  };
  return o;
}

py::array NewOutput(const Engine& engine, int kind, int64_t rows, int64_t width) {
  if (kind == 0) return py::array_t<uint8_t>({rows, width});
  return py::array_t<float>({engine.info().geometry.classes, rows, width});
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
  return py::dict("task"_a = i.task, "outputs"_a = g.classes, "halo"_a = g.halo,
                  "margin"_a = g.margin, "alignment"_a = g.alignment, "tileable"_a = g.tileable,
                  "not_tileable_reason"_a = i.not_tileable_reason,
                  "receptive_field"_a = i.receptive_field_px, "parameters"_a = i.parameters,
                  "flops_per_pixel"_a = i.flops_per_pixel, "activation"_a = i.activation,
                  "classes"_a = classes, "layers"_a = layers, "isa"_a = i.isa,
                  "device"_a = i.device, "gpu"_a = i.gpu, "why_not_gpu"_a = i.why_not_gpu,
                  "threads"_a = i.threads, "manifest_json"_a = i.manifest_json);
}

}  // namespace

void BindEngine(py::module_& m) {
  py::class_<DeviceMemory>(m, "DeviceMemory")
      .def_property_readonly("pointer", [](const DeviceMemory& d) {
        return reinterpret_cast<uintptr_t>(d.memory.get());
      });
  py::class_<Engine>(m, "Engine")
      .def(py::init([](const std::string& path, int threads, const std::string& isa,
                       const py::object& callable, bool fast, bool pin_threads,
                       const std::string& device, int on_mismatch,
                       const std::vector<std::string>& library_folders) {
             const EngineOptions options{
                 threads,        isa,    fast ? Accuracy::kFast : Accuracy::kDefault,
                 pin_threads,    device, static_cast<OnMismatch>(on_mismatch),
                 library_folders};
             if (!callable.is_none())
               return Engine::Open(
                   path,
                   [&](const EngineInfo& info) {
                     return std::make_shared<CallableExecutor>(info.geometry, callable);
                   },
                   options);
             std::optional<Engine> engine;
             WithoutGil([&] { engine = Engine::Open(path, options); });
             return *std::move(engine);
           }),
           "path"_a, "threads"_a, "isa"_a, "callable"_a, "fast"_a, "pin_threads"_a, "device"_a,
           "on_mismatch"_a, "library_folders"_a)
      .def("info", &InfoDict)
      .def(
          "plan",
          [](const Engine& e, int64_t h, int64_t w, int64_t th, int64_t tw, int batch,
             int64_t max_memory) {
            SegmentOptions o;
            o.tile_height_px = th, o.tile_width_px = tw;
            o.batch_size = batch, o.max_memory_bytes = max_memory;
            const TilePlan p = e.Plan(h, w, o);
            return py::dict("tile"_a = py::make_tuple(p.tile.height, p.tile.width),
                            "window"_a = py::make_tuple(p.window.height, p.window.width),
                            "context"_a = py::make_tuple(p.window.top, p.window.left),
                            "grid"_a = py::make_tuple(p.tiles_down, p.tiles_across),
                            "batch_size"_a = p.batch_size, "memory_bytes"_a = p.memory_bytes,
                            "cost"_a = p.cost);
          },
          "height"_a, "width"_a, "tile_height"_a, "tile_width"_a, "batch_size"_a, "max_memory"_a)
      .def(
          "band_rows",
          [](const Engine& e, int64_t h, int64_t w, int64_t row_begin, int64_t row_end, int64_t th,
             int64_t tw, int batch, int64_t max_memory, int padding) {
            int64_t rows[2];
            const SegmentOptions o =
                Options(th, tw, batch, max_memory, 0, 0.25, padding, py::none());
            e.BandRows(h, w, row_begin, row_end, o, rows);
            return py::make_tuple(rows[0], rows[1]);
          },
          "height"_a, "width"_a, "row_begin"_a, "row_end"_a, "tile_height"_a, "tile_width"_a,
          "batch_size"_a, "max_memory"_a, "padding"_a)
      .def(
          "segment",
          [](const Engine& e, const py::array& image, int kind, int64_t th, int64_t tw, int batch,
             int64_t max_memory, int mode, double overlap, int padding, const py::object& progress,
             bool one_thread, int augmentation) {
            const ImageView view = ViewOf(image, 0, 0);
            py::array out = NewOutput(e, kind, view.height, view.width);
            SegmentOptions o = Options(th, tw, batch, max_memory, mode, overlap, padding, progress);
            o.one_thread = one_thread;
            o.augmentation = static_cast<Augmentation>(augmentation);
            void* data = out.mutable_data();
            WithoutGil([&] {
              if (kind == 0)
                e.SegmentLabels(view, static_cast<uint8_t*>(data), view.width, o);
              else
                e.SegmentScores(view, static_cast<OutputKind>(kind), static_cast<float*>(data), o);
            });
            return out;
          },
          "image"_a.noconvert(), "kind"_a, "tile_height"_a, "tile_width"_a, "batch_size"_a,
          "max_memory"_a, "mode"_a, "overlap"_a, "padding"_a, "progress"_a.none(true),
          "one_thread"_a, "augmentation"_a)
      .def(
          "segment_on_device",
          [](const Engine& e, uintptr_t data, int type, const std::vector<int64_t>& shape,
             const std::vector<int64_t>& strides, int kind, uintptr_t out, uintptr_t stream,
             int64_t th, int64_t tw, int batch, int64_t max_memory, int padding) {
            const ImageView view{reinterpret_cast<const void*>(data),
                                 static_cast<PixelType>(type),
                                 shape.at(0),
                                 shape.at(1),
                                 shape.at(2),
                                 strides.at(0),
                                 strides.at(1),
                                 strides.at(2),
                                 0,
                                 0};
            const SegmentOptions o =
                Options(th, tw, batch, max_memory, 0, 0.25, padding, py::none());
            auto* to = reinterpret_cast<void*>(out);
            auto* on = reinterpret_cast<void*>(stream);
            WithoutGil([&] {
              if (kind == 0)
                e.SegmentLabelsOnDevice(view, static_cast<uint8_t*>(to), view.width, on, o);
              else
                e.SegmentScoresOnDevice(view, static_cast<OutputKind>(kind),
                                        static_cast<float*>(to), on, o);
            });
          },
          "data"_a, "type"_a, "shape"_a, "strides"_a, "kind"_a, "out"_a, "stream"_a,
          "tile_height"_a, "tile_width"_a, "batch_size"_a, "max_memory"_a, "padding"_a)
      .def("allocate_on_device",
           [](const Engine& e, size_t bytes) { return DeviceMemory{e.AllocateOnDevice(bytes)}; })
      .def(
          "stream_wait",
          [](const Engine& e, uintptr_t stream, uintptr_t awaited) {
            e.StreamWait(reinterpret_cast<void*>(stream), reinterpret_cast<void*>(awaited));
          },
          "stream"_a, "awaited"_a)
      .def(
          "segment_band",
          [](const Engine& e, const py::array& rows, int64_t first_row, int64_t height, int kind,
             int64_t row_begin, int64_t row_end, int64_t th, int64_t tw, int batch,
             int64_t max_memory, int padding, const py::object& progress, int augmentation) {
            const ImageView view = ViewOf(rows, height, first_row);
            py::array out = NewOutput(e, kind, row_end - row_begin, view.width);
            SegmentOptions o = Options(th, tw, batch, max_memory, 0, 0.25, padding, progress);
            o.augmentation = static_cast<Augmentation>(augmentation);
            void* data = out.mutable_data();
            WithoutGil([&] {
              e.SegmentBand(view, static_cast<OutputKind>(kind), row_begin, row_end, data, o);
            });
            return out;
          },
          "rows"_a.noconvert(), "first_row"_a, "height"_a, "kind"_a, "row_begin"_a, "row_end"_a,
          "tile_height"_a, "tile_width"_a, "batch_size"_a, "max_memory"_a, "padding"_a,
          "progress"_a.none(true), "augmentation"_a)
      .def(
          "profile",
          [](const Engine& e, int64_t h, int64_t w, int passes) {
            std::vector<OpTime> times;
            WithoutGil([&] { times = e.Profile(h, w, passes); });
            py::list rows;
            for (const OpTime& t : times)
              rows.append(py::dict("layer"_a = t.layer, "algorithm"_a = t.algorithm,
                                   "seconds"_a = t.seconds, "flops"_a = t.flops,
                                   "bytes"_a = t.bytes));
            return rows;
          },
          "height"_a, "width"_a, "passes"_a)
      .def(
          "run",
          [](const Engine& e, const py::array_t<float, py::array::c_style>& batch) {
            int64_t shape[3];
            e.RunOutputShape(batch.shape(2), batch.shape(3), shape);
            py::array_t<float> out({batch.shape(0), shape[0], shape[1], shape[2]});
            const float* in = batch.data();
            float* data = out.mutable_data();
            WithoutGil([&] { e.Run(in, data, batch.shape(0), batch.shape(2), batch.shape(3)); });
            return out;
          },
          "batch"_a.noconvert());
}

}  // namespace pyengine
