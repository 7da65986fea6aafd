// AVX-512F/DQ: 12 pixels x 32 channels fill 24 of 32 registers.
#include "cpu/kernels/kernels.h"

#include <immintrin.h>

namespace pyengine {
namespace {

#include "cpu/kernels/avx512/registers.inc.h"

constexpr int kConvPixels = 12;
constexpr int kConvBlocks = 2;

#include "cpu/kernels/simd/functions.inc.h"
#include "cpu/kernels/simd/kernels.inc.h"
#include "cpu/kernels/simd/planar_conv.inc.h"
#include "cpu/kernels/simd/winograd.inc.h"
#include "cpu/kernels/simd/winograd_registers.inc.h"

}  // namespace

const KernelTable kAvx512Kernels = {"avx512",  Conv,    PlanarConv, &kRegisterWinograd,
                                    Depthwise, Pool,    Upsample,   BinaryOp,
                                    Affine,    Softmax, MultiplyAdd};

}  // namespace pyengine
