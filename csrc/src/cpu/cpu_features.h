// Which instruction sets this machine can use, and the kernels chosen for it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "cpu/kernels/kernels.h"

namespace pyengine {

// Names of the usable tables, best first; always ends with "reference". `fast`: also of those that
// round more than float32.
std::vector<std::string> UsableIsas(bool fast = false);

// The table called `isa`; empty: the value of PYENGINE_ISA, else the best.
// Throws Error(kInvalidArgument) for an unknown name, kUnsupported if this machine lacks it or it
// rounds more and `fast` does not allow that.
const KernelTable& SelectKernels(const std::string& isa, bool fast = false);

// Rates of fused multiply-adds on registers [FLOP/s, each counts twice] in `runs` runs of about a
// millisecond, for benchmarks: the highest is the peak.
// Throws as SelectKernels, kUnsupported for the reference table, kInvalidArgument for threads or
// runs < 1.
std::vector<double> MultiplyAddRates(const std::string& isa, int threads, int runs);

// The cache that all cores of a group share, as the CPU describes it [bytes]; 0 where it does not.
int64_t LastLevelCacheBytes();

}  // namespace pyengine
