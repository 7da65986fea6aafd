// The vector interface: all that kernels know of an instruction set, and 16 lanes made of it.
//
// A translation unit with its own compiler flags includes, inside an anonymous namespace, the
// registers.inc.h of its instruction set and then what it needs of this folder. Nothing here calls
// the standard library: an inline function of its headers, compiled with these flags, could be the
// copy that the linker keeps for everybody.
//
// registers.inc.h defines
//   Register: a vector of kWidth floats; kRegisters of them hold a block's 16 channels;
//   kMicroPixels, kMicroBlocks: the micro-kernel's sums, pixels x output blocks x kRegisters, which
//   must fit the machine's registers beside a pixel's value and the weights; at most two blocks;
// and the functions declared below. Each acts on every lane alike, rounds to nearest and keeps
// subnormal numbers, whatever the lane and its neighbours: tiles are bitwise exact through this.
#pragma once

constexpr int kWidth = kBlock / kRegisters;
static_assert(sizeof(Register) == kWidth * sizeof(float));
static_assert(kMicroBlocks == 1 || kMicroBlocks == 2);

// kWidth floats at any address.
static inline Register LoadRegister(const float* p);
static inline void StoreRegister(float* p, Register v);
// One number in all lanes.
static inline Register BroadcastRegister(const float* p);
static inline Register SetRegister(float x);
// Each rounded once.
static inline Register AddRegister(Register a, Register b);
static inline Register SubRegister(Register a, Register b);
static inline Register MulRegister(Register a, Register b);
static inline Register DivRegister(Register a, Register b);
// b where either is not a number, or where both are zeros.
static inline Register MaxRegister(Register a, Register b);
static inline Register MinRegister(Register a, Register b);
// a * b + c, rounded once. Where the machine cannot, the product may be rounded too, but then in
// both of these functions and for every argument.
static inline Register FmaRegister(Register a, Register b, Register c);
// sum = a * b + sum, the same bits as FmaRegister's, in sum's own register: most of all time.
static inline void AccumulateRegister(Register& sum, Register a, Register b);
// x > 0 ? a : b; b where x is not a number.
static inline Register SelectPositiveRegister(Register x, Register a, Register b);
// Of the sign bit alone, also of zeros and of what is not a number.
static inline Register AbsRegister(Register x);
static inline Register CopySignRegister(Register x, Register from);
// To the nearest integer, halves to the even one, where |x| <= 2^22.
static inline Register RoundRegister(Register x);
// x * 2^n, exactly, for integral n where x and the result are normal numbers. Not a number where
// x and n are both none.
static inline Register ScaleByPowerOfTwoRegister(Register x, Register n);
// Lane j of register i goes to lane i of register j.
static inline void Transpose(Register (&t)[kWidth]);

// The 16 channels of a pixel.
struct V16 {
  Register r[kRegisters];
};

PYENGINE_INLINE V16 Load(const float* p) {
  V16 v;
  PYENGINE_UNROLL for (int i = 0; i < kRegisters; ++i) v.r[i] = LoadRegister(p + i * kWidth);
  return v;
}
PYENGINE_INLINE void Store(float* p, V16 v) {
  PYENGINE_UNROLL for (int i = 0; i < kRegisters; ++i) StoreRegister(p + i * kWidth, v.r[i]);
}
PYENGINE_INLINE V16 Set1(float x) {
  V16 v;
  PYENGINE_UNROLL for (int i = 0; i < kRegisters; ++i) v.r[i] = SetRegister(x);
  return v;
}

// A function of registers on 16 lanes.
template <auto FUNCTION, class... Vectors>
PYENGINE_INLINE V16 Each(Vectors... v) {
  V16 result;
  PYENGINE_UNROLL for (int i = 0; i < kRegisters; ++i) result.r[i] = FUNCTION(v.r[i]...);
  return result;
}
PYENGINE_INLINE V16 Add(V16 a, V16 b) {
  return Each<AddRegister>(a, b);
}
PYENGINE_INLINE V16 Sub(V16 a, V16 b) {
  return Each<SubRegister>(a, b);
}
PYENGINE_INLINE V16 Mul(V16 a, V16 b) {
  return Each<MulRegister>(a, b);
}
PYENGINE_INLINE V16 Div(V16 a, V16 b) {
  return Each<DivRegister>(a, b);
}
PYENGINE_INLINE V16 Max(V16 a, V16 b) {
  return Each<MaxRegister>(a, b);
}
PYENGINE_INLINE V16 Min(V16 a, V16 b) {
  return Each<MinRegister>(a, b);
}
PYENGINE_INLINE V16 Fma(V16 a, V16 b, V16 c) {
  return Each<FmaRegister>(a, b, c);
}
PYENGINE_INLINE V16 SelectPositive(V16 x, V16 a, V16 b) {
  return Each<SelectPositiveRegister>(x, a, b);
}
PYENGINE_INLINE V16 Abs(V16 x) {
  return Each<AbsRegister>(x);
}
PYENGINE_INLINE V16 CopySign(V16 x, V16 from) {
  return Each<CopySignRegister>(x, from);
}
PYENGINE_INLINE V16 Round(V16 x) {
  return Each<RoundRegister>(x);
}
PYENGINE_INLINE V16 ScaleByPowerOfTwo(V16 x, V16 n) {
  return Each<ScaleByPowerOfTwoRegister>(x, n);
}

// Ones, as many as channels are left, then zeros.
PYENGINE_INLINE V16 LiveLanes(int64_t channels_left) {
  static const float kOnesAndZeros[2 * kBlock] = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1};
  return Load(kOnesAndZeros + kBlock - (channels_left < kBlock ? channels_left : kBlock));
}
