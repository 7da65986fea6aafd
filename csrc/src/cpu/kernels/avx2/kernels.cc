// AVX2 and FMA.
#include "cpu/kernels/kernels.h"

#include <immintrin.h>

namespace pyengine {
namespace {

#include "cpu/kernels/avx2/registers.inc.h"
#include "cpu/kernels/simd/table.inc.h"

}  // namespace

constinit const KernelTable kAvx2Kernels = VectorTable("avx2");

}  // namespace pyengine
