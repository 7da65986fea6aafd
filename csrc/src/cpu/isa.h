// The instruction sets that there are kernels for, and the choice among them.
#pragma once

#include <string>
#include <vector>

#include "cpu/kernels/kernels.h"

namespace pyengine {

// Names of the usable tables, best first; always ends with "portable", which any processor runs,
// and "reference", the oracle. `fast`: also of those that round more than float32.
std::vector<std::string> UsableIsas(bool fast = false);

// The table called `isa`; empty: the value of PYENGINE_ISA, else the best, never the reference.
// Throws Error(kInvalidArgument) for an unknown name, kUnsupported if this machine lacks it or it
// rounds more and `fast` does not allow that.
const KernelTable& SelectKernels(const std::string& isa, bool fast = false);

}  // namespace pyengine
