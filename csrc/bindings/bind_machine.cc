// What this machine can do: instruction sets, and their highest arithmetic rate.
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <chrono>
#include <vector>

#include "bind.h"
#include "core/thread_pool.h"
#include "cpu/cpu_features.h"
#include "pyengine/error.h"

namespace py = pybind11;

namespace pyengine {
namespace {

// Best of several short runs: the machine may be shared, and a peak is a peak.
double MultiplyAddRate(const std::string& isa, int threads) {
  const KernelTable& kernels = SelectKernels(isa);
  if (kernels.multiply_add == nullptr)
    throw Error(ErrorCode::kUnsupported, "the reference kernels have no rate to measure");
  if (threads < 1)
    throw Error(ErrorCode::kInvalidArgument,
                "threads " + std::to_string(threads) + " must be at least 1");
  constexpr int kRuns = 20;
  constexpr int64_t kRounds = 1 << 19;  // about a millisecond
  ThreadPool pool(threads);
  std::vector<double> flops(static_cast<size_t>(threads));
  std::vector<float> sinks(static_cast<size_t>(threads), 1.0f);
  double best = 0;
  for (int run = 0; run < kRuns; ++run) {
    const auto start = std::chrono::steady_clock::now();
    pool.ParallelFor(threads,
                     [&](int64_t i) { flops[i] = kernels.multiply_add(kRounds, &sinks[i]); });
    const std::chrono::duration<double> passed = std::chrono::steady_clock::now() - start;
    double total = 0;
    for (double f : flops) total += f;
    best = std::max(best, total / passed.count());
  }
  return best;
}

}  // namespace

void BindMachine(py::module_& m) {
  m.def("isas", &UsableIsas, "Instruction sets this machine can run, best first.");
  m.def("multiply_add_rate", &MultiplyAddRate, py::arg("isa"), py::arg("threads"),
        py::call_guard<py::gil_scoped_release>(),
        "Highest rate of float32 fused multiply-adds in FLOP/s (each counts twice).");
}

}  // namespace pyengine
