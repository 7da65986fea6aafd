// A fused multiply-add of plain C++, included inside an anonymous namespace. Some C libraries'
// fmaf rounds twice (mingw-w64's), so none is asked.
#pragma once

// a * b + c, rounded once. The product is exact in double precision. Their sum is rounded to odd: a
// sum that is not exact gets the neighbour whose last bit is set, which no second rounding can
// take for a tie. Boldo and Melquiond, "Emulation of FMA and correctly rounded sums: proved
// algorithms using rounding to odd", 2008, IEEE Transactions on Computers 57(4).
static inline float FusedMultiplyAdd(float a, float b, float c) {
  const double product = double(a) * double(b);
  const double sum = product + double(c);
  const double back = sum - product;
  const double error = (product - (sum - back)) + (double(c) - back);  // exact (Knuth)
  const bool inexact = error > 0 || error < 0;                         // infinite sums have none
  auto bits = __builtin_bit_cast(uint64_t, sum);
  const uint64_t even = ~bits & 1;
  // To the neighbour on the error's side: one away from zero is one bit pattern up.
  bits += inexact && (error > 0) == (sum > 0) ? even : 0;
  bits -= inexact && (error > 0) != (sum > 0) ? even : 0;
  return float(__builtin_bit_cast(double, bits));
}
