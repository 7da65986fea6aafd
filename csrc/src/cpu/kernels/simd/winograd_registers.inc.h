// Winograd's products of matrices by the micro-kernel.
//
// V of one point is laid out as the products read it: [channels summed at a time][group of patches]
// [channel block][patch][16], where a group is what one register block takes (the last group: what
// is left). Weights: [in_channels][16].
#pragma once

#include "cpu/kernels/simd/common.inc.h"
#include "cpu/kernels/simd/micro_kernel.inc.h"
#include "cpu/kernels/simd/winograd.inc.h"

// Weights of one point that do not stay in the second-level cache from one task to the next.
constexpr int64_t kStreamedFloats = 32 * 1024;

// What a product fetches ahead: `lines` cache lines per output block, `ahead` floats on from every
// 16 channels' weights.
struct WinogradAhead {
  int64_t ahead, lines;
};

// Channels summed at a time, from zero: sums of such sums round less than one long sum. Their
// weights (4 KB per output block) stay in the first-level cache while all patches pass.
constexpr int64_t kSummedChannels = 64;

// M[patch][OB * 16] = V[patch][channel] x U[channel][OB * 16] for PX patches of a group and up to
// kSummedChannels channels; `add`: added to what M holds.
template <int PX, int OB>
static inline void WinogradProduct(const float* v, int64_t group_patches, int64_t channels,
                                   const float* const* u, WinogradAhead next, bool add, float* m) {
  constexpr int kParts = OB * kRegisters;
  const auto sum = [&](int p, int r) { return m + p * OB * kBlock + r * kWidth; };
  const float* w[OB];
  PYENGINE_UNROLL for (int b = 0; b < OB; ++b) w[b] = u[b];
  Register acc[PX][kParts];
  const auto next_block = [&](auto begin, int64_t left) PYENGINE_INLINE_LAMBDA {
    for (int64_t i = 0; i < next.lines; ++i)
      PYENGINE_UNROLL for (int b = 0; b < OB; ++b)
          PYENGINE_PREFETCH(w[b] + next.ahead + i * kBlock);
    MultiplyLanes<PX, OB, decltype(begin)::value>(v, kBlock, Smaller(left, kBlock), w, acc);
    v += group_patches * kBlock;
    PYENGINE_UNROLL for (int b = 0; b < OB; ++b) w[b] += kBlock * kBlock;
  };
  // Sums that begin with the first products take less time than those that begin with zero.
  next_block(Constant<true>(), channels);
  for (int64_t left = channels - kBlock; left > 0; left -= kBlock)
    next_block(Constant<false>(), left);
  if (add)
    PYENGINE_UNROLL for (int p = 0; p < PX; ++p) PYENGINE_UNROLL for (int r = 0; r < kParts; ++r)
        acc[p][r] = AddRegister(LoadRegister(sum(p, r)), acc[p][r]);
  PYENGINE_UNROLL for (int p = 0; p < PX; ++p) PYENGINE_UNROLL for (int r = 0; r < kParts; ++r)
      StoreRegister(sum(p, r), acc[p][r]);
}

struct RegisterProducts {
  static constexpr int64_t kPlanes = 1;
  static constexpr int kBlocks = kMicroBlocks;
  static constexpr int64_t kSliceBlocks = kMicroBlocks;

  static int64_t Rows(int64_t patches) { return patches; }
  static int64_t InputFloats(int64_t patches, int64_t in_channels) {
    return patches * InputPlanes(in_channels) * kBlock;
  }
  static int64_t WeightFloats(int64_t in_channels) { return in_channels * kBlock; }

  static inline float* Input(float* v, int64_t patches, int64_t in_channels, int64_t patch,
                             int64_t plane) {
    constexpr int64_t kSummedPlanes = kSummedChannels / kBlock;
    const int64_t group = patch / kMicroPixels * kMicroPixels;
    const int64_t group_patches = Smaller(kMicroPixels, patches - group);
    const int64_t first = plane / kSummedPlanes * kSummedPlanes;
    const int64_t planes = Smaller(kSummedPlanes, InputPlanes(in_channels) - first);
    const int64_t before = first * patches + group * planes + (plane - first) * group_patches;
    return v + (before + patch - group) * kBlock;
  }
  static inline void Store(float* to, int64_t, const Register (&values)[kPlanes]) {
    StoreRegister(to, values[0]);
  }

  // All patches of one point and OB output blocks; `u` points at the first block's weights, of all
  // slices that are read.
  template <int OB>
  static void Multiply(const WinogradArgs& a, int64_t patches, int64_t in_slice, const float* v,
                       const float* u, float* m) {
    const int64_t all_channels = a.in_channels * a.in_slices;
    const int64_t before = a.in_channels * in_slice;
    const int64_t groups = (patches + kMicroPixels - 1) / kMicroPixels;
    const bool streamed = all_channels * a.out_blocks * kBlock >= kStreamedFloats;
    const float* weights[OB];
    PYENGINE_UNROLL for (int b = 0; b < OB; ++b) weights[b] =
        u + (b * all_channels + before) * kBlock;
    for (int64_t first = 0; first < a.in_channels; first += kSummedChannels) {
      const int64_t channels = Smaller(kSummedChannels, a.in_channels - first);
      // Each group of patches fetches its share of the weights that follow: those of the next
      // channels, or of the next point.
      const bool last = before + first + channels == all_channels;
      WinogradAhead next{.ahead = (last ? OB * all_channels - before - first : channels) * kBlock,
                         .lines = streamed ? (kBlock + groups - 1) / groups : 0};
      for (int64_t group = 0; group < patches; group += kMicroPixels) {
        const int64_t group_patches = Smaller(kMicroPixels, patches - group);
        const float* from = v + first * patches + group * InputPlanes(channels) * kBlock;
        float* to = m + group * OB * kBlock;
        int64_t t = 0;
        const auto product = [&](auto px) {
          constexpr int kPatches = decltype(px)::value;
          WinogradProduct<kPatches, OB>(from + t * kBlock, group_patches, channels, weights, next,
                                        before + first > 0, to + t * OB * kBlock);
          t += kPatches;
        };
        if (group_patches == kMicroPixels) {
          product(Constant<kMicroPixels>());
          next.ahead += next.lines * kBlock;
          continue;
        }
        if (kMicroPixels > 8 && t + 8 <= group_patches) product(Constant<8>());
        if (t + 4 <= group_patches) product(Constant<4>());
        if (t + 2 <= group_patches) product(Constant<2>());
        if (t < group_patches) product(Constant<1>());
      }
      PYENGINE_UNROLL for (int b = 0; b < OB; ++b) weights[b] += channels * kBlock;
    }
  }
};

static void PackRegisterWeights(const float* weights, int64_t in_channels, float* packed) {
  for (int64_t i = 0; i < in_channels * kBlock; ++i) packed[i] = weights[i];
}

static void TransformForRegisters(const WinogradArgs& a, const WinogradSpan& span, int64_t begin,
                                  int64_t end, float* v) {
  const int64_t patches = span.patch_end - span.patch_begin;
  const int64_t floats = WinogradInputFloats<RegisterProducts>(a.patch, patches, a.in_channels);
  for (int64_t i = 0; i < a.in_slices; ++i, v += floats) {
    if (a.patch == F6x6::kPatch)
      WinogradInput<F6x6, RegisterProducts>(a, span, i, begin, end, v);
    else
      WinogradInput<F4x4, RegisterProducts>(a, span, i, begin, end, v);
  }
}

static void MultiplyByRegisters(const WinogradArgs& a, const WinogradSpan& span, const float* v,
                                float* m) {
  if (a.patch == F6x6::kPatch)
    WinogradMultiply<F6x6, RegisterProducts>(a, span, v, m);
  else
    WinogradMultiply<F4x4, RegisterProducts>(a, span, v, m);
}

static constexpr WinogradKernels kRegisterWinograd = {
    .transform = TransformForRegisters,
    .multiply = MultiplyByRegisters,
    .v_floats = WinogradInputFloats<RegisterProducts>,
    .m_floats = WinogradProductFloats<RegisterProducts>,
    .weight_floats = RegisterProducts::WeightFloats,
    .pack = PackRegisterWeights,
    .slice_blocks = RegisterProducts::kSliceBlocks,
    .fast_patch = kFastWinogradPatch,
    .matrix_unit = false,
};
