// Elementary functions of 16 lanes.
#pragma once

#include "cpu/kernels/simd/vector.inc.h"

// exp(x) to about 1 ulp: x = n ln 2 + r with |r| <= ln 2 / 2, polynomial in r (Cephes expf).
PYENGINE_INLINE V16 Exp(V16 x) {
  x = Min(Max(x, Set1(-87.33654f)), Set1(88.37626f));
  const V16 n = Round(Mul(x, Set1(1.44269504088896341f)));
  V16 r = Fma(n, Set1(-0.693359375f), x);
  r = Fma(n, Set1(2.12194440e-4f), r);
  V16 p = Set1(1.9875691500e-4f);
  p = Fma(p, r, Set1(1.3981999507e-3f));
  p = Fma(p, r, Set1(8.3334519073e-3f));
  p = Fma(p, r, Set1(4.1665795894e-2f));
  p = Fma(p, r, Set1(1.6666665459e-1f));
  p = Fma(p, r, Set1(5.0000001201e-1f));
  p = Fma(p, Mul(r, r), r);
  return ScaleByPowerOfTwo(Add(p, Set1(1.0f)), n);
}

PYENGINE_INLINE V16 Sigmoid(V16 x) {
  return Div(Set1(1.0f), Add(Set1(1.0f), Exp(Sub(Set1(0.0f), x))));
}

// 1 - 2 / (exp(2|x|) + 1), with the sign of x; absolute error below 2e-7.
PYENGINE_INLINE V16 Tanh(V16 x) {
  const V16 e = Exp(Mul(Set1(2.0f), Abs(x)));
  return CopySign(Sub(Set1(1.0f), Div(Set1(2.0f), Add(e, Set1(1.0f)))), x);
}

// Abramowitz and Stegun 7.1.26, absolute error below 2e-7 (with single-precision rounding 4e-7).
PYENGINE_INLINE V16 Erf(V16 x) {
  const V16 a = Abs(x);
  const V16 t = Div(Set1(1.0f), Fma(Set1(0.3275911f), a, Set1(1.0f)));
  V16 p = Set1(1.061405429f);
  p = Fma(p, t, Set1(-1.453152027f));
  p = Fma(p, t, Set1(1.421413741f));
  p = Fma(p, t, Set1(-0.284496736f));
  p = Fma(p, t, Set1(0.254829592f));
  const V16 e = Exp(Sub(Set1(0.0f), Mul(a, a)));
  return CopySign(Sub(Set1(1.0f), Mul(Mul(p, t), e)), x);
}
