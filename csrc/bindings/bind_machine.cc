// What this machine can do: executors, instruction sets, and their highest arithmetic rate.
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include "bind.h"
#include "cpu/isa.h"
#include "cpu/schedule.h"
#include "gil.h"
#include "multiply_add/multiply_add_rates.h"
#include "pyengine/executor_status.h"

namespace py = pybind11;
using namespace pybind11::literals;

namespace pyengine {

void BindMachine(py::module_& m) {
  m.def(
      "executors",
      [](const std::vector<std::string>& library_folders) {
        std::vector<ExecutorStatus> found;
        WithoutGil([&] { found = ListExecutors(library_folders); });
        py::list rows;
        for (const ExecutorStatus& s : found)
          rows.append(py::dict("name"_a = s.name, "detail"_a = s.detail, "why_not"_a = s.why_not,
                               "why_no_build"_a = s.why_no_build));
        return rows;
      },
      "library_folders"_a, "Executors, best first, and why each cannot be used here.");
  m.def(
      "isas", [](bool fast) { return UsableIsas(fast ? Accuracy::kFast : Accuracy::kDefault); },
      "fast"_a = false,
      "Instruction sets this machine can run, best first; `fast`: also those that round more.");
  m.def(
      "multiply_add_rates",
      [](const std::string& isa, int threads, int runs) {
        std::vector<double> rates;
        WithoutGil([&] { rates = MultiplyAddRates(isa, threads, runs); });
        return rates;
      },
      "isa"_a, "threads"_a, "runs"_a = 20,
      "Rates of float32 fused multiply-adds in FLOP/s (each counts twice), a run a millisecond.");
  m.def("interleaved_bytes", &InterleavedBytes,
        "From this size on, rows of several layers on one plane are computed in turn.");
}

}  // namespace pyengine
