// The instruction sets that there are kernels for, and the choice among them.
#pragma once

#include <string>
#include <vector>

#include "cpu/kernels/kernels.h"
#include "pyengine/options.h"

namespace pyengine {

// Names of the usable tables, best first; always ends with "portable" and "fused", which any
// processor runs, and "reference", the oracle. kFast: also of those that round more than float32.
// kReproducible: none of those that give other bits, "portable" and "reference".
std::vector<std::string> UsableIsas(Accuracy accuracy = Accuracy::kDefault);

// The table called `isa`; empty: the value of PYENGINE_ISA, else the best, never the reference.
// Throws Error(kInvalidArgument) for an unknown name, kUnsupported if this machine lacks it or
// `accuracy` does not allow it.
const KernelTable& SelectKernels(const std::string& isa, Accuracy accuracy = Accuracy::kDefault);

}  // namespace pyengine
