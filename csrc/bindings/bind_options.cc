// Options as Python fills them, by name; and the words of their enumerations.
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "bind.h"
#include "c_api/option_fields.h"
#include "core/scheduler.h"
#include "pyengine/engine.h"
#include "pyengine/image_view.h"

namespace py = pybind11;
using namespace pybind11::literals;

namespace pyengine {
namespace {

// The core copies options without Python's lock, which counting references needs.
using SharedObject = std::shared_ptr<py::object>;
SharedObject Share(py::object object) {
  return {new py::object(std::move(object)), [](py::object* last) {
            const py::gil_scoped_acquire gil;
            delete last;
          }};
}

// Without a callback, signals are looked at, so that Ctrl-C cancels a long call.
ProgressFn ProgressOf(py::object callback) {
  return [shared = Share(std::move(callback))](int64_t done, int64_t total) {
    const py::gil_scoped_acquire gil;
    if (PyErr_CheckSignals() != 0) throw py::error_already_set();
    if (shared->is_none()) return true;
    const py::object keep_going = (*shared)(done, total);
    return keep_going.is_none() || keep_going.cast<bool>();
  };
}

CancelFn CancelOf(py::object callback) {
  if (callback.is_none()) return nullptr;
  return [shared = Share(std::move(callback))] {
    const py::gil_scoped_acquire gil;
    return (*shared)().cast<bool>();
  };
}

TileReportFn ReportOf(py::object callback) {
  if (callback.is_none()) return nullptr;
  return [shared = Share(std::move(callback))](const TileReport& tiles) {
    const py::gil_scoped_acquire gil;
    (*shared)(tiles.computed_px, tiles.repeated_px, tiles.background_px);
  };
}

template <class T>
void Set(T& field, const py::handle& value) {
  field = value.cast<T>();
}
void Set(ProgressFn& field, const py::handle& value) {
  field = ProgressOf(py::reinterpret_borrow<py::object>(value));
}
void Set(CancelFn& field, const py::handle& value) {
  field = CancelOf(py::reinterpret_borrow<py::object>(value));
}

void Set(RunTasksFn& /*field*/, const py::handle& /*value*/) {
  throw py::type_error("run_tasks is for hosts in C and C++: Python's lock would serve one thread");
}
void Set(TileReportFn& field, const py::handle& value) {
  field = ReportOf(py::reinterpret_borrow<py::object>(value));
}

// A struct that is made of keywords and does not change.
template <class Options, class Fields>
void BindOptions(py::module_& m, const char* type_name, const Fields& fields, const char* doc) {
  py::list names;
  ForEachField(fields, [&](const auto& field) { names.append(field.name); });
  py::class_<Options> type(m, type_name, doc);
  type.def(py::init([type_name, &fields](const py::kwargs& given) {
    Options options;
    size_t known = 0;
    ForEachField(fields, [&](const auto& field) {
      if (!given.contains(field.name)) return;
      ++known;
      const py::object value = given[field.name];
      try {
        Set(options.*(field.member), value);
      } catch (const py::cast_error&) {
        throw py::type_error(std::string(type_name) + "." + field.name + " cannot be " +
                             py::repr(value).template cast<std::string>());
      }
    });
    if (known != given.size())
      throw py::type_error(std::string(type_name) + " has not all of these fields: " +
                           py::str(py::list(given)).template cast<std::string>());
    return options;
  }));
  type.attr("fields") = py::tuple(names);
}

void BindWords(py::module_& m) {
  py::enum_<PixelType>(m, "PixelType")
      .value("uint8", PixelType::kUint8)
      .value("uint16", PixelType::kUint16)
      .value("float32", PixelType::kFloat32)
      .value("int8", PixelType::kInt8)
      .value("int16", PixelType::kInt16)
      .value("uint32", PixelType::kUint32)
      .value("int32", PixelType::kInt32)
      .value("float64", PixelType::kFloat64)
      .value("uint12_low_first", PixelType::kUint12LowFirst)
      .value("uint12_high_first", PixelType::kUint12HighFirst);
  py::enum_<Accuracy>(m, "Accuracy")
      .value("default", Accuracy::kDefault)
      .value("fast", Accuracy::kFast)
      .value("reproducible", Accuracy::kReproducible);
  py::enum_<OnMismatch>(m, "OnMismatch")
      .value("raise_", OnMismatch::kRaise)  // "raise" is a word of Python's own
      .value("rebuild", OnMismatch::kRebuild)
      .value("cpu", OnMismatch::kCpu);
  py::enum_<ThreadPolicy>(m, "ThreadPolicy")
      .value("normal", ThreadPolicy::kNormal)
      .value("fifo", ThreadPolicy::kFifo)
      .value("round_robin", ThreadPolicy::kRoundRobin);
  py::enum_<TileMode>(m, "TileMode")
      .value("exact", TileMode::kExact)
      .value("constant", TileMode::kConstant)
      .value("gaussian", TileMode::kGaussian)
      .value("nnunet", TileMode::kNnUnet);
  py::enum_<OutputKind>(m, "OutputKind")
      .value("labels", OutputKind::kLabels)
      .value("probabilities", OutputKind::kProbabilities)
      .value("logits", OutputKind::kLogits);
  py::enum_<PaddingMode>(m, "PaddingMode")
      .value("reflect", PaddingMode::kReflect)
      .value("replicate", PaddingMode::kReplicate)
      .value("constant", PaddingMode::kConstant);
  py::enum_<Augmentation>(m, "Augmentation")
      .value("none", Augmentation::kNone)
      .value("flips", Augmentation::kFlips)
      .value("d4", Augmentation::kD4)
      .value("mirror", Augmentation::kMirror);
}

}  // namespace

void BindOptions(py::module_& m) {
  BindWords(m);
  py::class_<Scheduler, std::shared_ptr<Scheduler>>(m, "Scheduler",
                                                    "Decides which of several calls computes.")
      .def(py::init(&MakeScheduler));
  py::class_<ThreadOptions>(m, "ThreadOptions", "What a host wishes of threads.")
      .def(
          py::init([](std::string name, std::vector<int> cores, ThreadPolicy policy, int priority) {
            return ThreadOptions{.name = std::move(name),
                                 .cores = std::move(cores),
                                 .policy = policy,
                                 .priority = priority};
          }),
          "name"_a = "", "cores"_a = std::vector<int>(), "policy"_a = ThreadPolicy::kNormal,
          "priority"_a = 0);
  BindOptions<EngineOptions>(m, "EngineOptions", kEngineOptionFields,
                             "How an engine is opened; fields as in options.h.");
  BindOptions<SegmentOptions>(m, "SegmentOptions", kSegmentOptionFields,
                              "How one image is segmented; fields as in options.h.");
}

}  // namespace pyengine
