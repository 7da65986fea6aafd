// What the build step asks of the core: the analysis of a graph, and index maps for tests.
#include <pybind11/stl.h>

#include "bind.h"
#include "core/json.h"
#include "file/engine_file.h"
#include "gil.h"
#include "graph/geometry.h"
#include "pyengine/error.h"
#include "tiling/gather.h"

namespace py = pybind11;

namespace pyengine {

void BindBuild(py::module_& m) {
  m.def(
      "analyze",
      [](const std::string& graph_json, const std::vector<int64_t>& size) {
        const Graph graph = ParseGraph(Json::Parse(graph_json, "graph"));
        if (size.size() != (graph.volume ? 3 : 2))
          throw Error(ErrorCode::kInvalidArgument,
                      graph.volume ? "a network over (z, y, x) needs a sample size of three numbers"
                                   : "a network over (y, x) needs a sample size of two numbers");
        const size_t last = size.size() - 1;
        const Axes sample{.z = graph.volume ? size[0] : 1, .y = size[last - 1], .x = size[last]};
        const GraphAnalysis a = Analyze(graph, sample);
        const Extent out = Extents(graph, sample)[graph.output];
        py::dict d;
        d["halo"] = a.network.halo;
        d["before"] = a.network.before;
        d["after"] = a.network.after;
        d["alignment"] = a.network.alignment;
        d["margin"] = a.network.margin;
        d["dense"] = a.network.dense;
        d["tileable"] = a.network.tileable;
        d["reason"] = a.not_tileable_reason;
        d["classes"] = a.network.classes;
        d["output_size"] = py::make_tuple(out.size.y, out.size.x);
        if (graph.volume) {
          d["output_size"] = py::make_tuple(out.size.z, out.size.y, out.size.x);
          // Of each axis.
          const auto all = [&](auto value) {
            return py::make_tuple(value(a.network.z), value(a.network.y), value(a.network.x));
          };
          d["halo"] = all([](const AxisGeometry& axis) { return axis.halo(); });
          d["before"] = all([](const AxisGeometry& axis) { return axis.before; });
          d["after"] = all([](const AxisGeometry& axis) { return axis.after; });
          d["alignment"] = all([](const AxisGeometry& axis) { return axis.alignment; });
          d["margin"] = all([](const AxisGeometry& axis) { return axis.margin; });
        }
        d["receptive_field"] = a.receptive_field_px;
        return d;
      },
      py::arg("graph_json"), py::arg("sample_size"),
      "Geometry of a graph; raises if the CPU executor cannot run it.");
  m.def(
      "attachment",
      [](const std::string& path, const std::string& name) {
        EngineFile file;
        WithoutGil([&] { file = ReadEngineFile(path, {name}); });
        if (!file.attachments.Has(name))
          throw Error(ErrorCode::kUnsupported, path + ": holds no '" + name + "'");
        return py::bytes(file.attachments.Bytes(name));
      },
      py::arg("path"), py::arg("name"), "The verified bytes of what a file holds beside weights.");
  m.def(
      "border_indices",
      [](int64_t begin, int64_t end, int64_t size, PaddingMode mode) {
        std::vector<int64_t> indices;
        for (int64_t i = begin; i < end; ++i) indices.push_back(BorderIndex(i, size, mode));
        return indices;
      },
      py::arg("begin"), py::arg("end"), py::arg("size"), py::arg("mode"),
      "Pixel that stands for each index of the endless line; -1 for a constant.");
}

}  // namespace pyengine
