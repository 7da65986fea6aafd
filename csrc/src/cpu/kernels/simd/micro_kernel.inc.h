// What most of all time is spent in: products of input channels and weights, summed in registers.
#pragma once

#include "cpu/kernels/simd/common.inc.h"
#include "cpu/kernels/simd/vector.inc.h"

// The micro-kernel: adds to the sums of PX pixels the products of one input channel, `pixel` floats
// from one pixel to the next, with its weights for OB output blocks. BEGIN: these products are the
// first. Sums must stay in the caller's registers, hence always inline.
template <int PX, int OB, bool BEGIN = false>
PYENGINE_INLINE void MultiplyLane(const float* in, int64_t pixel, const float* const (&w)[OB],
                                  int64_t lane, Register (&acc)[PX][OB * kRegisters]) {
  constexpr int kParts = OB * kRegisters;
  Register weight[kParts];
  PYENGINE_UNROLL for (int r = 0; r < kParts; ++r) weight[r] =
      LoadRegister(w[r / kRegisters] + lane * kBlock + r % kRegisters * kWidth);
  PYENGINE_UNROLL for (int p = 0; p < PX; ++p) {
    const Register value = BroadcastRegister(in + p * pixel + lane);
    PYENGINE_UNROLL for (int r = 0; r < kParts; ++r) {
      if (BEGIN)
        acc[p][r] = MulRegister(value, weight[r]);
      else
        AccumulateRegister(acc[p][r], value, weight[r]);
    }
  }
}

// The same for `lanes` input channels. A whole block goes without jumps: with AVX2 one jump per
// channel costs 2 to 5 % of a network's time.
template <int PX, int OB, bool BEGIN = false>
PYENGINE_INLINE void MultiplyLanes(const float* in, int64_t pixel, int64_t lanes,
                                   const float* const (&w)[OB],
                                   Register (&acc)[PX][OB * kRegisters]) {
  if (lanes == kBlock) {
    MultiplyLane<PX, OB, BEGIN>(in, pixel, w, 0, acc);
    PYENGINE_UNROLL for (int64_t lane = 1; lane < kBlock; ++lane)
        MultiplyLane<PX, OB>(in, pixel, w, lane, acc);
  } else {
    if (BEGIN)
      PYENGINE_UNROLL for (int p = 0; p < PX; ++p)
          PYENGINE_UNROLL for (int r = 0; r < OB * kRegisters; ++r) acc[p][r] = SetRegister(0.0f);
    for (int64_t lane = 0; lane < lanes; ++lane) MultiplyLane<PX, OB>(in, pixel, w, lane, acc);
  }
}
