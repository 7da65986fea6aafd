// AVX-512F/DQ, for simd/vector.inc.h.
#pragma once

using Register = __m512;
constexpr int kRegisters = 1;
constexpr int kMicroPixels = 12;  // x 32 channels: 24 of 32 registers
constexpr int kMicroBlocks = 2;

static inline Register LoadRegister(const float* p) {
  return _mm512_loadu_ps(p);
}
static inline void StoreRegister(float* p, Register v) {
  _mm512_storeu_ps(p, v);
}
static inline Register BroadcastRegister(const float* p) {
  return _mm512_set1_ps(*p);
}
static inline Register SetRegister(float x) {
  return _mm512_set1_ps(x);
}
static inline Register AddRegister(Register a, Register b) {
  return _mm512_add_ps(a, b);
}
static inline Register SubRegister(Register a, Register b) {
  return _mm512_sub_ps(a, b);
}
static inline Register MulRegister(Register a, Register b) {
  return _mm512_mul_ps(a, b);
}
static inline Register DivRegister(Register a, Register b) {
  return _mm512_div_ps(a, b);
}
static inline Register MaxRegister(Register a, Register b) {
  return _mm512_max_ps(a, b);
}
static inline Register MinRegister(Register a, Register b) {
  return _mm512_min_ps(a, b);
}
static inline Register FmaRegister(Register a, Register b, Register c) {
  return _mm512_fmadd_ps(a, b, c);
}
// Not by an intrinsic: see avx2/registers.inc.h.
static inline void AccumulateRegister(Register& sum, Register a, Register b) {
#if defined(PYENGINE_GNU_ASM)
  asm("vfmadd231ps %2, %1, %0" : "+v"(sum) : "v"(a), "v"(b));
#else
  sum = FmaRegister(a, b, sum);
#endif
}

static inline Register SelectPositiveRegister(Register x, Register a, Register b) {
  return _mm512_mask_blend_ps(_mm512_cmp_ps_mask(x, _mm512_setzero_ps(), _CMP_GT_OQ), b, a);
}
static inline Register AbsRegister(Register x) {
  return _mm512_andnot_ps(_mm512_set1_ps(-0.0f), x);
}
static inline Register CopySignRegister(Register x, Register from) {
  const Register sign = _mm512_set1_ps(-0.0f);
  return _mm512_or_ps(_mm512_andnot_ps(sign, x), _mm512_and_ps(sign, from));
}
static inline Register RoundRegister(Register x) {
  return _mm512_roundscale_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}
static inline Register ScaleByPowerOfTwoRegister(Register x, Register n) {
  return _mm512_scalef_ps(x, n);
}

// Pairs, fours, then quarters of registers.
static inline void Transpose(Register (&t)[16]) {
  Register u[16];
  PYENGINE_UNROLL for (int i = 0; i < 16; i += 2) {
    u[i] = _mm512_unpacklo_ps(t[i], t[i + 1]);
    u[i + 1] = _mm512_unpackhi_ps(t[i], t[i + 1]);
  }
  const auto low = [](Register a, Register b) {
    return _mm512_castpd_ps(_mm512_unpacklo_pd(_mm512_castps_pd(a), _mm512_castps_pd(b)));
  };
  const auto high = [](Register a, Register b) {
    return _mm512_castpd_ps(_mm512_unpackhi_pd(_mm512_castps_pd(a), _mm512_castps_pd(b)));
  };
  PYENGINE_UNROLL for (int i = 0; i < 16; i += 4) {
    t[i] = low(u[i], u[i + 2]);
    t[i + 1] = high(u[i], u[i + 2]);
    t[i + 2] = low(u[i + 1], u[i + 3]);
    t[i + 3] = high(u[i + 1], u[i + 3]);
  }
  // Quarter q of t[4 * g + c] holds channel 4 * q + c of pixels 4 * g and the three after it.
  PYENGINE_UNROLL for (int c = 0; c < 4; ++c) {
    const Register even_a = _mm512_shuffle_f32x4(t[c], t[c + 4], 0x88);
    const Register odd_a = _mm512_shuffle_f32x4(t[c], t[c + 4], 0xDD);
    const Register even_b = _mm512_shuffle_f32x4(t[c + 8], t[c + 12], 0x88);
    const Register odd_b = _mm512_shuffle_f32x4(t[c + 8], t[c + 12], 0xDD);
    t[c] = _mm512_shuffle_f32x4(even_a, even_b, 0x88);
    t[c + 4] = _mm512_shuffle_f32x4(odd_a, odd_b, 0x88);
    t[c + 8] = _mm512_shuffle_f32x4(even_a, even_b, 0xDD);
    t[c + 12] = _mm512_shuffle_f32x4(odd_a, odd_b, 0xDD);
  }
}
