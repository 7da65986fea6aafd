// Plain C++ with the vectors of four that GCC and Clang know on every processor, for
// simd/vector.inc.h: they become SSE2, NEON or what else the baseline has, at worst single numbers.
// Multiply-adds are a file of their own: they round twice (portable/) or once (fused/).
#pragma once

using Register = float __attribute__((vector_size(16)));
using RegisterBits = int32_t __attribute__((vector_size(16)));
constexpr int kRegisters = 4;
constexpr int kMicroPixels = 2;  // x 16 channels: 8 of SSE2's 16 registers
constexpr int kMicroBlocks = 1;

static inline Register LoadRegister(const float* p) {
  Register v;
  __builtin_memcpy(&v, p, sizeof v);
  return v;
}
static inline void StoreRegister(float* p, Register v) {
  __builtin_memcpy(p, &v, sizeof v);
}
static inline Register SetRegister(float x) {
  return Register{x, x, x, x};
}
static inline Register BroadcastRegister(const float* p) {
  return SetRegister(*p);
}
static inline Register AddRegister(Register a, Register b) {
  return a + b;
}
static inline Register SubRegister(Register a, Register b) {
  return a - b;
}
static inline Register MulRegister(Register a, Register b) {
  return a * b;
}
static inline Register DivRegister(Register a, Register b) {
  return a / b;
}
static inline Register MaxRegister(Register a, Register b) {
  return a > b ? a : b;
}
static inline Register MinRegister(Register a, Register b) {
  return a < b ? a : b;
}

static inline Register SelectPositiveRegister(Register x, Register a, Register b) {
  return x > SetRegister(0.0f) ? a : b;
}
static inline RegisterBits SignBits() {
  return RegisterBits(SetRegister(-0.0f));
}
static inline Register AbsRegister(Register x) {
  return Register(RegisterBits(x) & ~SignBits());
}
static inline Register CopySignRegister(Register x, Register from) {
  return Register((RegisterBits(x) & ~SignBits()) | (RegisterBits(from) & SignBits()));
}
// Next to 1.5 * 2^23, neighbouring numbers are 1 apart: adding it rounds.
static inline Register RoundRegister(Register x) {
  const Register shift = SetRegister(12582912.0f);
  return (x + shift) - shift;
}
static inline Register ScaleByPowerOfTwoRegister(Register x, Register n) {
  const auto numbers = Register(RegisterBits(n) & (n == n));  // of others there is no integer
  const RegisterBits exponent = __builtin_convertvector(numbers, RegisterBits);
  return Register(RegisterBits(x) + exponent * (1 << 23));
}

static inline void Transpose(Register (&t)[4]) {
  const Register rows[4] = {t[0], t[1], t[2], t[3]};
  PYENGINE_UNROLL for (int i = 0; i < 4; ++i) t[i] =
      Register{rows[0][i], rows[1][i], rows[2][i], rows[3][i]};
}
