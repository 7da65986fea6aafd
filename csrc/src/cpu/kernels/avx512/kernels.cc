// AVX-512F/DQ.
#include "cpu/kernels/kernels.h"

#include <immintrin.h>

namespace pyengine {
namespace {

#include "cpu/kernels/avx512/registers.inc.h"
#include "cpu/kernels/simd/table.inc.h"

}  // namespace

constinit const KernelTable kAvx512Kernels = VectorTable("avx512");

}  // namespace pyengine
