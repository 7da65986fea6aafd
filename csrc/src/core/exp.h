// The exponential function by arithmetic alone: C libraries round theirs differently, and some by
// what the processor has.
#pragma once

#include <cstdint>
#include <cstring>

#include "core/compiler.h"
#include "core/host_device.h"

namespace pyengine {

#ifndef __CUDA_ARCH__
namespace exp_detail {

constexpr int kParts = 32;
// The bits of 2^(i / 32), rounded to nearest.
constexpr uint64_t kPowers[kParts] = {
    0x3FF0000000000000, 0x3FF059B0D3158574, 0x3FF0B5586CF9890F, 0x3FF11301D0125B51,
    0x3FF172B83C7D517B, 0x3FF1D4873168B9AA, 0x3FF2387A6E756238, 0x3FF29E9DF51FDEE1,
    0x3FF306FE0A31B715, 0x3FF371A7373AA9CB, 0x3FF3DEA64C123422, 0x3FF44E086061892D,
    0x3FF4BFDAD5362A27, 0x3FF5342B569D4F82, 0x3FF5AB07DD485429, 0x3FF6247EB03A5585,
    0x3FF6A09E667F3BCD, 0x3FF71F75E8EC5F74, 0x3FF7A11473EB0187, 0x3FF82589994CCE13,
    0x3FF8ACE5422AA0DB, 0x3FF93737B0CDC5E5, 0x3FF9C49182A3F090, 0x3FFA5503B23E255D,
    0x3FFAE89F995AD3AD, 0x3FFB7F76F2FB5E47, 0x3FFC199BDD85529C, 0x3FFCB720DCEF9069,
    0x3FFD5818DCFBA487, 0x3FFDFC97337B9B5F, 0x3FFEA4AFA2A490DA, 0x3FFF50765B6E4540,
};

// 2^(n / 32), where that is a normal number.
inline double PowerOfPart(int64_t n) {
  const auto unsigned_n = static_cast<uint64_t>(n);
  const uint64_t bits = kPowers[unsigned_n % kParts] + (unsigned_n / kParts << 52);
  double power;
  std::memcpy(&power, &bits, sizeof power);
  return power;
}

// The nearest integer of |x| < 2^51: next to 1.5 * 2^52 neighbouring numbers are 1 apart.
inline double Nearest(double x) {
  constexpr double kShift = 6755399441055744.0;
  return (x + kShift) - kShift;
}

// x = n ln 2 / 32 + r; n is integral. The product with the first part of ln 2 / 32 is exact.
inline double Reduce(double x, double& n) {
  n = Nearest(x * 46.16624130844683);
  return (x - n * 0x1.62e42fefp-6) - n * 0x1.473de6af278edp-39;
}

}  // namespace exp_detail

// Of x in [-700, 700], to 2^-52 of the result; 0 below.
inline double Exp(double x) {
  if (x < -700) return 0;
  double n;
  const double r = exp_detail::Reduce(x, n);
  const double power = exp_detail::PowerOfPart(static_cast<int64_t>(n));
  // Taylor's series: |r| < 0.011.
  constexpr double kTerms[] = {1.0 / 120, 1.0 / 24, 1.0 / 6, 0.5, 1.0};
  double m = 1.0 / 720;
  for (const double term : kTerms) m = m * r + term;
  return power + power * (m * r);
}
#endif

// Within 0.502 units in the last place, as glibc's expf, whose polynomial this is; computed in
// double precision. On a GPU it is CUDA's.
PYENGINE_HOST_DEVICE inline float Exp(float x) {
#ifdef __CUDA_ARCH__
  return expf(x);
#else
  constexpr float kLargest = 88.72283172607421875f;  // whose result is finite
  if (!(x >= -104.0f)) return x < 0 ? 0.0f : x;      // or not a number
  if (x > kLargest) return PYENGINE_INFINITY;
  double n;
  const double r = exp_detail::Reduce(x, n) * 46.16624130844683;
  const double high = 0x1.c6af84b912394p-20 * r + 0x1.ebfce50fac4f3p-13;
  const double low = 0x1.62e42ff0c52d6p-6 * r + 1;
  const double m = high * (r * r) + low;
  return static_cast<float>(m * exp_detail::PowerOfPart(static_cast<int64_t>(n)));
#endif
}

}  // namespace pyengine
