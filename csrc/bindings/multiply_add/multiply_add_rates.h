// The highest arithmetic rate of this machine, which benchmarks measure kernels by.
#pragma once

#include <string>
#include <vector>

namespace pyengine {

// Rates of multiply-adds on registers [FLOP/s, each counts twice] in `runs` runs of about a
// millisecond: the highest is the peak.
// Throws as SelectKernels, kUnsupported for the reference table, kInvalidArgument for threads or
// runs < 1.
std::vector<double> MultiplyAddRates(const std::string& isa, int threads, int runs);

}  // namespace pyengine
