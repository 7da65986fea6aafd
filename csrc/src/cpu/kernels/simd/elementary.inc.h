// Elementary functions of 16 lanes.
#pragma once

#include "cpu/kernels/simd/vector.inc.h"

// exp(x) = 2^n * (1 + m) to about 1 ulp: x = n ln 2 + r with |r| <= ln 2 / 2, polynomial in r
// (Cephes expf). m is accurate relatively, as its terms after r are small beside r.
PYENGINE_INLINE V16 ReducedExp(V16 x, V16& n) {
  x = Min(Max(x, Set1(-87.33654f)), Set1(88.37626f));
  n = Round(Mul(x, Set1(1.44269504088896341f)));
  V16 r = Fma(n, Set1(-0.693359375f), x);
  r = Fma(n, Set1(2.12194440e-4f), r);
  V16 p = Set1(1.9875691500e-4f);
  p = Fma(p, r, Set1(1.3981999507e-3f));
  p = Fma(p, r, Set1(8.3334519073e-3f));
  p = Fma(p, r, Set1(4.1665795894e-2f));
  p = Fma(p, r, Set1(1.6666665459e-1f));
  p = Fma(p, r, Set1(5.0000001201e-1f));
  return Fma(p, Mul(r, r), r);
}

PYENGINE_INLINE V16 Exp(V16 x) {
  V16 n;
  const V16 m = ReducedExp(x, n);
  return ScaleByPowerOfTwo(Add(m, Set1(1.0f)), n);
}

// exp(x) - 1 for x <= 0, relative error below 3e-7: 2^n * m + (2^n - 1), where the bracket is exact
// down to n = -24. It is 0 for n = 0, where m counts alone. Else the result is at least 0.29 in
// size and the product at most 0.21: they cancel by less than a factor of 2.
PYENGINE_INLINE V16 ExpMinusOne(V16 x) {
  V16 n;
  const V16 m = ReducedExp(x, n);
  const V16 power = ScaleByPowerOfTwo(Set1(1.0f), n);
  return Fma(power, m, Sub(power, Set1(1.0f)));
}

PYENGINE_INLINE V16 Sigmoid(V16 x) {
  return Div(Set1(1.0f), Add(Set1(1.0f), Exp(Sub(Set1(0.0f), x))));
}

// The next two are accurate absolutely: enough where 1 is added to them.

// 1 - 2 / (exp(2|x|) + 1), with the sign of x; absolute error below 2e-7.
PYENGINE_INLINE V16 CoarseTanh(V16 x) {
  const V16 e = Exp(Mul(Set1(2.0f), Abs(x)));
  return CopySign(Sub(Set1(1.0f), Div(Set1(2.0f), Add(e, Set1(1.0f)))), x);
}

// Abramowitz and Stegun 7.1.26, absolute error below 2e-7 (with single-precision rounding 4e-7).
PYENGINE_INLINE V16 CoarseErf(V16 x) {
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

// x (1 + x^2 p(x^2)) up to 0.625, p minimax to 5e-9 of the result (Cephes tanhf), and beyond, where
// tanh is at least 0.55, the coarse one: relative error below 4e-7. The last addition of the first
// rounds once, and its other term is at most a ninth of it; of subnormal numbers x alone is left.
PYENGINE_INLINE V16 Tanh(V16 x) {
  const V16 square = Mul(x, x);
  V16 p = Set1(-5.70498872745e-3f);
  p = Fma(p, square, Set1(2.06390887954e-2f));
  p = Fma(p, square, Set1(-5.37397155531e-2f));
  p = Fma(p, square, Set1(1.33314422036e-1f));
  p = Fma(p, square, Set1(-3.33332819422e-1f));
  const V16 near = Fma(Mul(p, square), x, x);
  return SelectPositive(Sub(Abs(x), Set1(0.625f)), CoarseTanh(x), near);
}

// x (1 + p(x^2)) up to 1, p minimax to 2e-9 of the result, and beyond, where erf is at least 0.84,
// the coarse one: relative error below 5e-7. The first rounds like Tanh's.
PYENGINE_INLINE V16 Erf(V16 x) {
  const V16 square = Mul(x, x);
  V16 p = Set1(7.85386146e-5f);
  p = Fma(p, square, Set1(-8.01019371e-4f));
  p = Fma(p, square, Set1(5.18832775e-3f));
  p = Fma(p, square, Set1(-2.68538129e-2f));
  p = Fma(p, square, Set1(1.12835854e-1f));
  p = Fma(p, square, Set1(-3.7612626e-1f));
  p = Fma(p, square, Set1(1.28379166e-1f));
  const V16 near = Fma(p, x, x);
  return SelectPositive(Sub(Abs(x), Set1(1.0f)), CoarseErf(x), near);
}
