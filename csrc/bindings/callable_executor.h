// Networks that Python computes.
#pragma once

#include <pybind11/pybind11.h>

#include <memory>

#include "pyengine/executor.h"

namespace pyengine {

// A Python callable (N, C, H, W) float32 -> (N, K, H', W') float32 as an executor; a classifier's
// may return (N, K). It runs under the GIL, one call at a time. Needs the GIL.
std::shared_ptr<Executor> MakeCallableExecutor(const NetworkGeometry& geometry,
                                               pybind11::object callable);

}  // namespace pyengine
