// What this machine can do: instruction sets, and their highest arithmetic rate.
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include "bind.h"
#include "cpu/cpu_features.h"

namespace py = pybind11;

namespace pyengine {

void BindMachine(py::module_& m) {
  m.def("isas", &UsableIsas, "Instruction sets this machine can run, best first.");
  m.def("multiply_add_rate", &MultiplyAddRate, py::arg("isa"), py::arg("threads"),
        py::call_guard<py::gil_scoped_release>(),
        "Highest rate of float32 fused multiply-adds in FLOP/s (each counts twice).");
}

}  // namespace pyengine
