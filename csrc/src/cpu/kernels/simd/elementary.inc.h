// Elementary functions of 16 lanes.
#pragma once

#include "cpu/kernels/simd/vector.inc.h"

// exp(x) = 2^n * (1 + m) to about 1 ulp: x = n ln 2 + r with |r| <= ln 2 / 2, polynomial in r
// (Cephes expf). m is accurate relatively, as its terms after r are small beside r.
PYENGINE_INLINE V16 ReducedExp(V16 x, V16& n) {
  x = Min(Set1(88.37626f), Max(Set1(-87.33654f), x));
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

// exp(x) - 1 = 2^n * m + (2^n - 1), relative error below 3e-7. For n = 0, m counts alone. Else the
// bracket is exact or loses nothing that counts, and the result is at least half as large as it:
// the two cancel by less than a factor of 2.
PYENGINE_INLINE V16 ExpMinusOne(V16 x) {
  V16 n;
  const V16 m = ReducedExp(x, n);
  const V16 power = ScaleByPowerOfTwo(Set1(1.0f), n);
  return Fma(power, m, Sub(power, Set1(1.0f)));
}

PYENGINE_INLINE V16 Sigmoid(V16 x) {
  return Div(Set1(1.0f), Add(Set1(1.0f), Exp(Sub(Set1(0.0f), x))));
}

// 1 - 2 / (exp(2|x|) + 1), with the sign of x; absolute error below 2e-7: enough where 1 is added.
PYENGINE_INLINE V16 CoarseTanh(V16 x) {
  const V16 e = Exp(Mul(Set1(2.0f), Abs(x)));
  return CopySign(Sub(Set1(1.0f), Div(Set1(2.0f), Add(e, Set1(1.0f)))), x);
}

// Abramowitz and Stegun 7.1.26, absolute error below 2e-7 (with single-precision rounding 4e-7):
// enough where 1 is added.
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

// m / (m + 2) with m = exp(2|x|) - 1, with the sign of x. Relative error below 4e-7: what m is
// wrong by and two roundings more. Of subnormal numbers 2|x| / 2 is left.
PYENGINE_INLINE V16 Tanh(V16 x) {
  const V16 m = ExpMinusOne(Mul(Set1(2.0f), Abs(x)));
  return CopySign(Div(m, Add(m, Set1(2.0f))), x);
}

// |x| p(x^2) / q(x^2) with the sign of x, up to 3.925, from where on float32 has no number between
// erf and 1. Fitted to 2e-8 of the result by least squares, weighted until the largest errors were
// alike. All coefficients are positive, so that nothing cancels: 12 roundings make at most 7.2e-7
// of the result together (products that are rounded too: 1.3e-6; 3.1e-7 is the most seen).
PYENGINE_INLINE V16 Erf(V16 x) {
  const V16 a = Min(Set1(3.925f), Abs(x));
  const V16 square = Mul(a, a);
  V16 p = Set1(2.0460393e-6f);
  p = Fma(p, square, Set1(2.84843525e-4f));
  p = Fma(p, square, Set1(3.77252675e-3f));
  p = Fma(p, square, Set1(5.27692288e-2f));
  p = Fma(p, square, Set1(1.90593138e-1f));
  p = Fma(p, square, Set1(1.12837911f));
  V16 q = Set1(3.80478959e-5f);
  q = Fma(q, square, Set1(1.16385298e-3f));
  q = Fma(q, square, Set1(1.49831511e-2f));
  q = Fma(q, square, Set1(1.1418248e-1f));
  q = Fma(q, square, Set1(5.02241492e-1f));
  q = Fma(q, square, Set1(1.0f));
  return CopySign(Min(Set1(1.0f), Div(Mul(a, p), q)), x);
}

// log(1 + exp(x)) = max(x, 0) + log(1 + t) with t = exp(-|x|), and log(1 + t) = 2 atanh(s) with
// s = t / (2 + t), at most 1/3. What the series leaves out after s^13 is below 2e-8 of it. Its
// terms are all positive: nothing cancels.
PYENGINE_INLINE V16 Softplus(V16 x) {
  const V16 t = Exp(Sub(Set1(0.0f), Abs(x)));
  const V16 s = Div(t, Add(Set1(2.0f), t)), square = Mul(s, s);
  V16 p = Set1(2.0f / 13);
  p = Fma(p, square, Set1(2.0f / 11));
  p = Fma(p, square, Set1(2.0f / 9));
  p = Fma(p, square, Set1(2.0f / 7));
  p = Fma(p, square, Set1(2.0f / 5));
  p = Fma(p, square, Set1(2.0f / 3));
  p = Fma(p, square, Set1(2.0f));
  return Fma(p, s, Max(Set1(0.0f), x));
}

// tanh(log(1 + n)) = w / (w + 2) with w = n (n + 2), n = exp(x); from 20 on it is 1.
PYENGINE_INLINE V16 TanhOfSoftplus(V16 x) {
  const V16 n = Exp(Min(Set1(20.0f), x));
  const V16 w = Mul(n, Add(n, Set1(2.0f)));
  return Div(w, Add(w, Set1(2.0f)));
}
