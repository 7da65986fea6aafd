// Advanced SIMD of 64-bit ARM.
#include "cpu/kernels/kernels.h"

#include <arm_neon.h>

namespace pyengine {
namespace {

#include "cpu/kernels/neon/registers.inc.h"
#include "cpu/kernels/simd/table.inc.h"

}  // namespace

constinit const KernelTable kNeonKernels = VectorTable("neon");

}  // namespace pyengine
