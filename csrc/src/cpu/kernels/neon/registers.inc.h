// Advanced SIMD of 64-bit ARM, for simd/vector.inc.h.
#pragma once

using Register = float32x4_t;
constexpr int kRegisters = 4;
constexpr int kMicroPixels = 6;  // x 16 channels: 24 of 32 registers
constexpr int kMicroBlocks = 1;

static inline Register LoadRegister(const float* p) {
  return vld1q_f32(p);
}
static inline void StoreRegister(float* p, Register v) {
  vst1q_f32(p, v);
}
static inline Register BroadcastRegister(const float* p) {
  return vld1q_dup_f32(p);
}
static inline Register SetRegister(float x) {
  return vdupq_n_f32(x);
}
static inline Register AddRegister(Register a, Register b) {
  return vaddq_f32(a, b);
}
static inline Register SubRegister(Register a, Register b) {
  return vsubq_f32(a, b);
}
static inline Register MulRegister(Register a, Register b) {
  return vmulq_f32(a, b);
}
static inline Register DivRegister(Register a, Register b) {
  return vdivq_f32(a, b);
}
// Not vmaxq and vminq, which give NaN for it and order zeros.
static inline Register MaxRegister(Register a, Register b) {
  return vbslq_f32(vcgtq_f32(a, b), a, b);
}
static inline Register MinRegister(Register a, Register b) {
  return vbslq_f32(vcltq_f32(a, b), a, b);
}
static inline Register FmaRegister(Register a, Register b, Register c) {
  return vfmaq_f32(c, a, b);
}
static inline void AccumulateRegister(Register& sum, Register a, Register b) {
  sum = vfmaq_f32(sum, a, b);
}

static inline Register SelectPositiveRegister(Register x, Register a, Register b) {
  return vbslq_f32(vcgtzq_f32(x), a, b);
}
static inline Register AbsRegister(Register x) {
  return vabsq_f32(x);
}
static inline Register CopySignRegister(Register x, Register from) {
  return vbslq_f32(vdupq_n_u32(0x80000000u), from, x);
}
static inline Register RoundRegister(Register x) {
  return vrndnq_f32(x);
}
static inline Register ScaleByPowerOfTwoRegister(Register x, Register n) {
  const int32x4_t bits = vshlq_n_s32(vcvtnq_s32_f32(n), 23);
  return vreinterpretq_f32_s32(vaddq_s32(vreinterpretq_s32_f32(x), bits));
}

// Pairs, then halves of registers.
static inline void Transpose(Register (&t)[4]) {
  const float64x2_t even_a = vreinterpretq_f64_f32(vtrn1q_f32(t[0], t[1]));
  const float64x2_t odd_a = vreinterpretq_f64_f32(vtrn2q_f32(t[0], t[1]));
  const float64x2_t even_b = vreinterpretq_f64_f32(vtrn1q_f32(t[2], t[3]));
  const float64x2_t odd_b = vreinterpretq_f64_f32(vtrn2q_f32(t[2], t[3]));
  t[0] = vreinterpretq_f32_f64(vtrn1q_f64(even_a, even_b));
  t[1] = vreinterpretq_f32_f64(vtrn1q_f64(odd_a, odd_b));
  t[2] = vreinterpretq_f32_f64(vtrn2q_f64(even_a, even_b));
  t[3] = vreinterpretq_f32_f64(vtrn2q_f64(odd_a, odd_b));
}
