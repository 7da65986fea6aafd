// All vectorised kernels, as a table of one instruction set. Included after its registers.inc.h.
#pragma once

#include "cpu/kernels/simd/conv.inc.h"
#include "cpu/kernels/simd/depthwise.inc.h"
#include "cpu/kernels/simd/norm.inc.h"
#include "cpu/kernels/simd/planar_conv.inc.h"
#include "cpu/kernels/simd/pointwise.inc.h"
#include "cpu/kernels/simd/pool.inc.h"
#include "cpu/kernels/simd/resize.inc.h"
#include "cpu/kernels/simd/softmax.inc.h"
#include "cpu/kernels/simd/winograd_registers.inc.h"

static constexpr KernelTable VectorTable(const char* isa) noexcept {
  return {.isa = isa,
          .conv = Conv,
          .planar_conv = PlanarConv,
          .winograd = &kRegisterWinograd,
          .depthwise = Depthwise,
          .pool = Pool,
          .upsample = Upsample,
          .resample = Resample,
          .binary = BinaryOp,
          .affine = Affine,
          .softmax = Softmax,
          .row_moments = RowMoments,
          .layer_norm = LayerNorm};
}
