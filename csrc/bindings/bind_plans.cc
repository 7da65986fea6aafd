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

PlanKey ToKey(const py::dict& d) {
  const auto text = [&](const char* name) { return d[name].cast<std::string>(); };
  const auto pair = [&](const char* name) { return d[name].cast<std::pair<int64_t, int64_t>>(); };
  const auto [min_height, min_width] = pair("min_size_px");
  const auto [max_height, max_width] = pair("max_size_px");
  return {text("flavour"),
          text("version"),
          text("compute_capability"),
          text("gpu"),
          text("precision"),
          text("onnx_sha256"),
          {min_height, min_width, max_height, max_width, d["max_batch"].cast<int>()}};
}

}  // namespace

void BindPlans(py::module_& m) {
  m.def(
      "build_plan",
      [](const std::string& graph_json, std::pair<int64_t, int64_t> sample_size,
         const std::string& flavour, const std::string& onnx, const std::string& input_name,
         const std::string& precision, int64_t tile_height, int64_t tile_width, int max_batch,
         const std::vector<std::string>& library_folders, const std::string& timing_cache) {
        BuiltPlan plan;
        WithoutGil([&] {
          const TensorRtFlavour wanted = FlavourOf(flavour);
          const Graph graph = ParseGraph(Json::Parse(graph_json, "graph"));
          const auto [height, width] = sample_size;
          const GraphAnalysis analysis = Analyze(graph, height, width);
          PlanRequest request;
          request.onnx = onnx;
          request.input_name = input_name;
          request.channels = graph.channels();
          request.profile =
              ProfileFor(analysis.network, {height, width}, {tile_height, tile_width}, max_batch);
          request.precision = precision;
          request.timing_cache = timing_cache;
          plan = BuildPlan(OpenTensorRt(wanted, library_folders), request);
        });
        return py::dict("key"_a = ToDict(plan.key), "plan"_a = py::bytes(plan.bytes),
                        "log"_a = plan.log, "timing_cache"_a = py::bytes(plan.timing_cache),
                        "seconds"_a = plan.seconds);
      },
      "graph_json"_a, "sample_size"_a, "flavour"_a, "onnx"_a, "input_name"_a, "precision"_a,
      "tile_height"_a, "tile_width"_a, "max_batch"_a, "library_folders"_a, "timing_cache"_a,
      "Builds a TensorRT plan of `onnx`, which computes what the graph does.");
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
