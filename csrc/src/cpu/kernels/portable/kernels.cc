// Plain C++, for the baseline of any processor.
#include "cpu/kernels/kernels.h"

namespace pyengine {
namespace {

#include "cpu/kernels/portable/any_registers.inc.h"
#include "cpu/kernels/portable/multiply_add.inc.h"
#include "cpu/kernels/simd/table.inc.h"

}  // namespace

constinit const KernelTable kPortableKernels = VectorTable("portable");

}  // namespace pyengine
