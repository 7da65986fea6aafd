// The reference kernels with products rounded before they are added, as the portable table does.
#pragma once

#include "cpu/kernels/kernels.h"

namespace pyengine {

extern const KernelTable kUnfusedReferenceKernels;

}  // namespace pyengine
