// TensorRT plans: building them, and whether a stored one fits.
#include <pybind11/stl.h>

#include "backends/backends.h"
#include "bind.h"
#include "gil.h"
#include "graph/geometry.h"
#include "pyengine/error.h"
#include "tensorrt/plan_builder.h"

namespace py = pybind11;
using namespace pybind11::literals;

namespace pyengine {
namespace {

py::dict ToDict(const PlanKey& key) {
  const PlanProfile& p = key.profile;
  return py::dict("flavour"_a = key.flavour, "version"_a = key.version,
                  "compute_capability"_a = key.compute_capability, "gpu"_a = key.gpu,
                  "precision"_a = key.precision, "onnx_sha256"_a = key.onnx_sha256,
                  "min_size_px"_a = py::make_tuple(p.min_height, p.min_width),
                  "max_size_px"_a = py::make_tuple(p.max_height, p.max_width),
                  "max_batch"_a = p.max_batch);
}

std::string Text(const py::dict& d, const char* name) {
  return d[name].cast<std::string>();
}

std::pair<int64_t, int64_t> Pair(const py::dict& d, const char* name) {
  return d[name].cast<std::pair<int64_t, int64_t>>();
}

PlanKey ToKey(const py::dict& d) {
  const auto [min_height, min_width] = Pair(d, "min_size_px");
  const auto [max_height, max_width] = Pair(d, "max_size_px");
  return {.flavour = Text(d, "flavour"),
          .version = Text(d, "version"),
          .compute_capability = Text(d, "compute_capability"),
          .gpu = Text(d, "gpu"),
          .precision = Text(d, "precision"),
          .onnx_sha256 = Text(d, "onnx_sha256"),
          .profile = {.min_height = min_height,
                      .min_width = min_width,
                      .max_height = max_height,
                      .max_width = max_width,
                      .max_batch = d["max_batch"].cast<int>()}};
}

py::dict Build(const py::dict& network, const py::dict& settings,
               const std::vector<std::string>& library_folders, const std::string& timing_cache) {
  const TensorRtFlavour flavour = FlavourOf(Text(settings, "flavour"));
  const Graph graph = ParseGraph(Json::Parse(Text(network, "graph_json"), "graph"));
  const auto [height, width] = Pair(network, "sample_size_px");
  const auto [tile_height, tile_width] = Pair(settings, "tile");
  PlanRequest request;
  request.onnx = Text(network, "onnx");
  request.input_name = Text(network, "input_name");
  request.channels = graph.channels();
  request.profile = ProfileFor(
      Analyze(graph, {.z = 1, .y = height, .x = width}).network, {.height = height, .width = width},
      {.height = tile_height, .width = tile_width}, settings["max_batch"].cast<int>());
  request.precision = Text(settings, "precision");
  request.timing_cache = timing_cache;
  BuiltPlan plan;
  WithoutGil([&] { plan = BuildPlan(OpenTensorRt(flavour, library_folders), request); });
  return py::dict("key"_a = ToDict(plan.key), "plan"_a = py::bytes(plan.bytes), "log"_a = plan.log,
                  "timing_cache"_a = py::bytes(plan.timing_cache), "seconds"_a = plan.seconds);
}

}  // namespace

void BindPlans(py::module_& m) {
  m.def("build_plan", &Build, "network"_a, "settings"_a, "library_folders"_a, "timing_cache"_a,
        "Builds a TensorRT plan of network['onnx'], which computes what network['graph_json'] "
        "does.");
  m.def(
      "check_engine_file",
      [](const std::string& path) { WithoutGil([&] { ReadEngineFileFor(path, "cpu"); }); },
      "path"_a, "Reads and verifies a file; raises if it is bad.");
  m.def(
      "plan_mismatch",
      [](const py::dict& stored, const py::dict& wanted) {
        return Mismatch(ToKey(stored), ToKey(wanted));
      },
      "stored"_a, "wanted"_a, "First field of a plan's key that differs; empty if it fits.");
}

}  // namespace pyengine
