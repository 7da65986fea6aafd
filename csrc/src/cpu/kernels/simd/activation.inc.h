// Activations of 16 lanes.
#pragma once

#include "cpu/kernels/simd/elementary.inc.h"

// Of what is not a number, activations make nothing that is one: the constant comes first.
static inline V16 Clamp(V16 x, float low, float high) {
  return Min(Set1(high), Max(Set1(low), x));
}

// `slopes` points at the 16 slopes of this block (PReLU), else anything.
PYENGINE_INLINE V16 Activate(const ActivationArgs& a, V16 x, const float* slopes) {
  switch (a.kind) {
    case Activation::kNone:
      return x;
    case Activation::kRelu:
      return Max(Set1(0.0f), x);
    case Activation::kLeakyRelu:
      return SelectPositive(x, x, Mul(x, Set1(a.alpha)));
    case Activation::kPRelu:
      return SelectPositive(x, x, Mul(x, Load(slopes)));
    case Activation::kElu:
      return SelectPositive(x, x, Mul(Set1(a.alpha), ExpMinusOne(x)));
    case Activation::kSilu:
      return Mul(x, Sigmoid(x));
    case Activation::kGelu:
      return Mul(Mul(Set1(0.5f), x), Add(Set1(1.0f), CoarseErf(Mul(x, Set1(0.70710678f)))));
    case Activation::kGeluTanh: {
      const V16 cubic = Mul(Mul(Mul(Set1(0.044715f), x), x), x);
      return Mul(Mul(Set1(0.5f), x),
                 Add(Set1(1.0f), CoarseTanh(Mul(Set1(0.79788456f), Add(x, cubic)))));
    }
    case Activation::kSigmoid:
      return Sigmoid(x);
    case Activation::kTanh:
      return Tanh(x);
    case Activation::kHardSwish:
      return Mul(x, Mul(Clamp(Add(x, Set1(3.0f)), 0.0f, 6.0f), Set1(1.0f / 6.0f)));
    case Activation::kHardSigmoid:
      return Clamp(Fma(x, Set1(a.alpha), Set1(a.beta)), 0.0f, 1.0f);
    case Activation::kClip:
      return Clamp(x, a.alpha, a.beta);
    case Activation::kErf:
      return Erf(x);
    case Activation::kAbs:
      return Abs(x);
    case Activation::kExp:
      return Exp(x);
    case Activation::kSoftplus:
      return Div(Softplus(Mul(x, Set1(a.alpha))), Set1(a.alpha));
    case Activation::kMish:
      return Mul(x, TanhOfSoftplus(x));
    case Activation::kSoftsign:
      return Div(x, Add(Set1(1.0f), Abs(x)));
  }
  return x;
}

// Pixels of a row, in place. A function of its own with all in memory: many callers need it rarely,
// and a call with V16 by value costs several times an activation.
static void ActivateRow(const ActivationArgs& a, const float* slopes, float* row, int64_t pixels,
                        int64_t pixel_stride) {
  for (int64_t p = 0; p < pixels; ++p, row += pixel_stride)
    Store(row, Activate(a, Load(row), slopes));
}

static inline const float* Slopes(const ActivationArgs& a, int64_t block) {
  return a.slopes ? a.slopes + block * kBlock : nullptr;
}

// Activations that are a maximum with a constant need no second pass over what was written.
static inline bool IsFloor(Activation kind) {
  return kind == Activation::kNone || kind == Activation::kRelu;
}
static inline Register Floor(Activation kind) {
  return SetRegister(kind == Activation::kRelu ? 0.0f : -PYENGINE_INFINITY);
}
