// Included after a registers.inc.h.
#pragma once

#include "cpu/kernels/simd/vector.inc.h"

// Twelve independent chains: more than latency times throughput, fewer than registers. Each sum is
// a factor of the next, as products of constants would be taken out of the loop.
static double MultiplyAddOnRegisters(int64_t rounds, float* sink) {
  constexpr int kChains = 12;
  alignas(64) float start[kChains][kWidth];
  for (int c = 0; c < kChains; ++c)
    for (int lane = 0; lane < kWidth; ++lane) start[c][lane] = float(c + lane);
  Register acc[kChains];
  PYENGINE_UNROLL for (int c = 0; c < kChains; ++c) acc[c] = LoadRegister(start[c]);
  const Register x = SetRegister(*sink * 0.5f), y = SetRegister(0.25f);
  for (int64_t i = 0; i < rounds; ++i)
    PYENGINE_UNROLL for (int c = 0; c < kChains; ++c) acc[c] = FmaRegister(acc[c], x, y);
  for (int c = 1; c < kChains; ++c) acc[0] = MaxRegister(acc[0], acc[c]);
  StoreRegister(start[0], acc[0]);
  *sink = start[0][0];
  constexpr int64_t kFlopsPerRound = 2 * kWidth * kChains;
  return double(kFlopsPerRound) * double(rounds);
}
