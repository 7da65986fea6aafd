// Plain C++, for the baseline of any processor.
#include "cpu/kernels/kernels.h"

namespace pyengine {
namespace {

#if defined(PYENGINE_GNU_VECTORS) && !defined(PYENGINE_PLAIN_REGISTERS)
#include "cpu/kernels/portable/registers.inc.h"
#else
#include "cpu/kernels/portable/plain_registers.inc.h"
#endif
#include "cpu/kernels/simd/table.inc.h"

}  // namespace

constinit const KernelTable kPortableKernels = VectorTable("portable");

}  // namespace pyengine
