// Plain C++ with fused multiply-adds, on processors that have none: the bits of all vector tables
// but the portable one, many times slower.
#include "cpu/kernels/kernels.h"

namespace pyengine {
namespace {

#include "cpu/kernels/fused/multiply_add.inc.h"
#include "cpu/kernels/portable/any_registers.inc.h"

// Within unrolled loops it would keep compilers busy for minutes.
PYENGINE_NOINLINE void MultiplyAdd(const Register& a, const Register& b, Register& sum) {
  float x[kBlock], y[kBlock], z[kBlock];
  StoreRegister(x, a), StoreRegister(y, b), StoreRegister(z, sum);
  for (int i = 0; i < kBlock / kRegisters; ++i) z[i] = FusedMultiplyAdd(x[i], y[i], z[i]);
  sum = LoadRegister(z);
}
static inline Register FmaRegister(Register a, Register b, Register c) {
  MultiplyAdd(a, b, c);
  return c;
}
static inline void AccumulateRegister(Register& sum, Register a, Register b) {
  MultiplyAdd(a, b, sum);
}

#include "cpu/kernels/simd/table.inc.h"

}  // namespace

constinit const KernelTable kFusedKernels = VectorTable("fused");

}  // namespace pyengine
