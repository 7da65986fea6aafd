// AVX2 + FMA: two registers of 8 make a V16; 6 pixels x 16 channels fill 12 of 16 registers.
#include "cpu/kernels/kernels.h"

#include <immintrin.h>

namespace pyengine {
namespace {

using Register = __m256;
constexpr int kRegisters = 2;
static inline Register LoadRegister(const float* p) {
  return _mm256_loadu_ps(p);
}
static inline void StoreRegister(float* p, Register v) {
  _mm256_storeu_ps(p, v);
}
static inline Register BroadcastRegister(const float* p) {
  return _mm256_broadcast_ss(p);
}
static inline Register SetRegister(float x) {
  return _mm256_set1_ps(x);
}
static inline Register AddRegister(Register a, Register b) {
  return _mm256_add_ps(a, b);
}
static inline Register SubRegister(Register a, Register b) {
  return _mm256_sub_ps(a, b);
}
static inline Register MulRegister(Register a, Register b) {
  return _mm256_mul_ps(a, b);
}
// b where either is not a number.
static inline Register MaxRegister(Register a, Register b) {
  return _mm256_max_ps(a, b);
}
static inline Register FmaRegister(Register a, Register b, Register c) {
  return _mm256_fmadd_ps(a, b, c);
}
// sum += a * b in sum's own register. Of intrinsics compilers make other forms too, and then copies
// and spills of sums: one instruction in twenty of a product.
static inline void AccumulateRegister(Register& sum, Register a, Register b) {
  asm("vfmadd231ps %2, %1, %0" : "+x"(sum) : "x"(a), "x"(b));
}

// Lane j of register i goes to lane i of register j: pairs, fours, then halves of registers.
static inline void Transpose(Register (&t)[8]) {
  Register u[8];
  PYENGINE_UNROLL for (int i = 0; i < 8; i += 2) {
    u[i] = _mm256_unpacklo_ps(t[i], t[i + 1]);
    u[i + 1] = _mm256_unpackhi_ps(t[i], t[i + 1]);
  }
  PYENGINE_UNROLL for (int i = 0; i < 8; i += 4) {
    t[i] = _mm256_shuffle_ps(u[i], u[i + 2], 0x44);
    t[i + 1] = _mm256_shuffle_ps(u[i], u[i + 2], 0xEE);
    t[i + 2] = _mm256_shuffle_ps(u[i + 1], u[i + 3], 0x44);
    t[i + 3] = _mm256_shuffle_ps(u[i + 1], u[i + 3], 0xEE);
  }
  PYENGINE_UNROLL for (int c = 0; c < 4; ++c) {
    const Register low = t[c], high = t[c + 4];
    t[c] = _mm256_permute2f128_ps(low, high, 0x20);
    t[c + 4] = _mm256_permute2f128_ps(low, high, 0x31);
  }
}

struct V16 {
  __m256 lo, hi;
};

static inline V16 Load(const float* p) {
  return {_mm256_loadu_ps(p), _mm256_loadu_ps(p + 8)};
}
static inline void Store(float* p, V16 v) {
  _mm256_storeu_ps(p, v.lo);
  _mm256_storeu_ps(p + 8, v.hi);
}
static inline V16 Set1(float x) {
  const __m256 v = _mm256_set1_ps(x);
  return {v, v};
}
static inline V16 Add(V16 a, V16 b) {
  return {_mm256_add_ps(a.lo, b.lo), _mm256_add_ps(a.hi, b.hi)};
}
static inline V16 Sub(V16 a, V16 b) {
  return {_mm256_sub_ps(a.lo, b.lo), _mm256_sub_ps(a.hi, b.hi)};
}
static inline V16 Mul(V16 a, V16 b) {
  return {_mm256_mul_ps(a.lo, b.lo), _mm256_mul_ps(a.hi, b.hi)};
}
static inline V16 Div(V16 a, V16 b) {
  return {_mm256_div_ps(a.lo, b.lo), _mm256_div_ps(a.hi, b.hi)};
}
static inline V16 Fma(V16 a, V16 b, V16 c) {
  return {_mm256_fmadd_ps(a.lo, b.lo, c.lo), _mm256_fmadd_ps(a.hi, b.hi, c.hi)};
}
static inline V16 Max(V16 a, V16 b) {
  return {_mm256_max_ps(a.lo, b.lo), _mm256_max_ps(a.hi, b.hi)};
}
static inline V16 Min(V16 a, V16 b) {
  return {_mm256_min_ps(a.lo, b.lo), _mm256_min_ps(a.hi, b.hi)};
}
// x > 0 ? a : b
static inline V16 SelectPositive(V16 x, V16 a, V16 b) {
  const __m256 zero = _mm256_setzero_ps();
  return {_mm256_blendv_ps(b.lo, a.lo, _mm256_cmp_ps(x.lo, zero, _CMP_GT_OQ)),
          _mm256_blendv_ps(b.hi, a.hi, _mm256_cmp_ps(x.hi, zero, _CMP_GT_OQ))};
}
static inline V16 Abs(V16 x) {
  const __m256 sign = _mm256_set1_ps(-0.0f);
  return {_mm256_andnot_ps(sign, x.lo), _mm256_andnot_ps(sign, x.hi)};
}
static inline V16 CopySign(V16 x, V16 from) {
  const __m256 sign = _mm256_set1_ps(-0.0f);
  return {_mm256_or_ps(_mm256_andnot_ps(sign, x.lo), _mm256_and_ps(sign, from.lo)),
          _mm256_or_ps(_mm256_andnot_ps(sign, x.hi), _mm256_and_ps(sign, from.hi))};
}
static inline V16 Round(V16 x) {
  constexpr int kMode = _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC;
  return {_mm256_round_ps(x.lo, kMode), _mm256_round_ps(x.hi, kMode)};
}
static inline __m256 ScaleHalf(__m256 x, __m256 n) {
  const __m256i bits = _mm256_slli_epi32(_mm256_cvtps_epi32(n), 23);
  return _mm256_castsi256_ps(_mm256_add_epi32(_mm256_castps_si256(x), bits));
}
// x * 2^n for integral n, where the result is a normal number.
static inline V16 ScaleByPowerOfTwo(V16 x, V16 n) {
  return {ScaleHalf(x.lo, n.lo), ScaleHalf(x.hi, n.hi)};
}

constexpr int kConvPixels = 6;
constexpr int kConvBlocks = 1;

#include "cpu/kernels/simd/functions.inc.h"
#include "cpu/kernels/simd/kernels.inc.h"
#include "cpu/kernels/simd/planar_conv.inc.h"
#include "cpu/kernels/simd/winograd.inc.h"
#include "cpu/kernels/simd/winograd_registers.inc.h"

}  // namespace

const KernelTable kAvx2Kernels = {"avx2",    Conv,    PlanarConv, &kRegisterWinograd,
                                  Depthwise, Pool,    Upsample,   BinaryOp,
                                  Affine,    Softmax, MultiplyAdd};

}  // namespace pyengine
