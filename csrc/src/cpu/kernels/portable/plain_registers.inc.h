// As registers.inc.h, with the same bits, without vectors of the compiler's own. For MSVC;
// PYENGINE_PLAIN_REGISTERS compiles it elsewhere.
#pragma once

struct Register {
  float lane[4];
};
constexpr int kRegisters = 4;
constexpr int kMicroPixels = 2;
constexpr int kMicroBlocks = 1;

template <class F>
PYENGINE_INLINE Register EachLane(F f) {
  Register v;
  PYENGINE_UNROLL for (int i = 0; i < 4; ++i) v.lane[i] = f(i);
  return v;
}
static inline float FromBits(uint32_t bits) {
  return __builtin_bit_cast(float, bits);
}
static inline uint32_t BitsOf(float x) {
  return __builtin_bit_cast(uint32_t, x);
}
constexpr uint32_t kSignBit = 0x80000000u;

static inline Register LoadRegister(const float* p) {
  return EachLane([&](int i) { return p[i]; });
}
static inline void StoreRegister(float* p, Register v) {
  PYENGINE_UNROLL for (int i = 0; i < 4; ++i) p[i] = v.lane[i];
}
static inline Register SetRegister(float x) {
  return EachLane([&](int) { return x; });
}
static inline Register BroadcastRegister(const float* p) {
  return SetRegister(*p);
}
static inline Register AddRegister(Register a, Register b) {
  return EachLane([&](int i) { return a.lane[i] + b.lane[i]; });
}
static inline Register SubRegister(Register a, Register b) {
  return EachLane([&](int i) { return a.lane[i] - b.lane[i]; });
}
static inline Register MulRegister(Register a, Register b) {
  return EachLane([&](int i) { return a.lane[i] * b.lane[i]; });
}
static inline Register DivRegister(Register a, Register b) {
  return EachLane([&](int i) { return a.lane[i] / b.lane[i]; });
}
static inline Register MaxRegister(Register a, Register b) {
  return EachLane([&](int i) { return a.lane[i] > b.lane[i] ? a.lane[i] : b.lane[i]; });
}
static inline Register MinRegister(Register a, Register b) {
  return EachLane([&](int i) { return a.lane[i] < b.lane[i] ? a.lane[i] : b.lane[i]; });
}

static inline Register SelectPositiveRegister(Register x, Register a, Register b) {
  return EachLane([&](int i) { return x.lane[i] > 0.0f ? a.lane[i] : b.lane[i]; });
}
static inline Register AbsRegister(Register x) {
  return EachLane([&](int i) { return FromBits(BitsOf(x.lane[i]) & ~kSignBit); });
}
static inline Register CopySignRegister(Register x, Register from) {
  return EachLane([&](int i) {
    return FromBits((BitsOf(x.lane[i]) & ~kSignBit) | (BitsOf(from.lane[i]) & kSignBit));
  });
}
// Next to 1.5 * 2^23, neighbouring numbers are 1 apart: adding it rounds.
static inline Register RoundRegister(Register x) {
  return EachLane([&](int i) { return (x.lane[i] + 12582912.0f) - 12582912.0f; });
}
static inline Register ScaleByPowerOfTwoRegister(Register x, Register n) {
  return EachLane([&](int i) {
    const float number =
        n.lane[i] == n.lane[i] ? n.lane[i] : 0.0f;  // of others there is no integer
    const auto exponent = static_cast<uint32_t>(static_cast<int32_t>(number));
    return FromBits(BitsOf(x.lane[i]) + (exponent << 23));
  });
}

static inline void Transpose(Register (&t)[4]) {
  const Register rows[4] = {t[0], t[1], t[2], t[3]};
  PYENGINE_UNROLL for (int i = 0; i < 4; ++i) t[i] =
      EachLane([&](int j) { return rows[j].lane[i]; });
}
