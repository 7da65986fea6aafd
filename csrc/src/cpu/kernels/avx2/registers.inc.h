// AVX2 and FMA, for simd/vector.inc.h.
#pragma once

using Register = __m256;
constexpr int kRegisters = 2;
constexpr int kMicroPixels = 6;  // x 16 channels: 12 of 16 registers
constexpr int kMicroBlocks = 1;

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
static inline Register DivRegister(Register a, Register b) {
  return _mm256_div_ps(a, b);
}
static inline Register MaxRegister(Register a, Register b) {
  return _mm256_max_ps(a, b);
}
static inline Register MinRegister(Register a, Register b) {
  return _mm256_min_ps(a, b);
}
static inline Register FmaRegister(Register a, Register b, Register c) {
  return _mm256_fmadd_ps(a, b, c);
}
// Of intrinsics compilers make other forms too, and then copies and spills of sums: one instruction
// in twenty of a product.
static inline void AccumulateRegister(Register& sum, Register a, Register b) {
#if defined(PYENGINE_GNU_ASM)
  asm("vfmadd231ps %2, %1, %0" : "+x"(sum) : "x"(a), "x"(b));
#else
  sum = FmaRegister(a, b, sum);
#endif
}

static inline Register SelectPositiveRegister(Register x, Register a, Register b) {
  return _mm256_blendv_ps(b, a, _mm256_cmp_ps(x, _mm256_setzero_ps(), _CMP_GT_OQ));
}
static inline Register AbsRegister(Register x) {
  return _mm256_andnot_ps(_mm256_set1_ps(-0.0f), x);
}
static inline Register CopySignRegister(Register x, Register from) {
  const Register sign = _mm256_set1_ps(-0.0f);
  return _mm256_or_ps(_mm256_andnot_ps(sign, x), _mm256_and_ps(sign, from));
}
static inline Register RoundRegister(Register x) {
  return _mm256_round_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}
static inline Register ScaleByPowerOfTwoRegister(Register x, Register n) {
  const __m256i bits = _mm256_slli_epi32(_mm256_cvtps_epi32(n), 23);
  return _mm256_castsi256_ps(_mm256_add_epi32(_mm256_castps_si256(x), bits));
}

// Pairs, fours, then halves of registers.
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
