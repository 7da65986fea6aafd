#include "cpu/conv_table.h"

namespace pyengine {
namespace {

// The first row that a layer fits counts.
struct PieceRow {
  int64_t weights;  // at most; in_channels * out_channels
  int64_t patches;
};

// Measured on Zen 3. Few patches keep transformed inputs in the second-level cache; the more
// weights come from beyond it, the more patches must share each reading.
constexpr PieceRow kPieces[] = {{.weights = 128 * 128, .patches = 24},
                                {.weights = INT64_MAX, .patches = 48}};
// Measured on Zen 4. More weights (36 floats each) come from beyond the second-level cache, or from
// memory: where there are threads to share transformed inputs, each thread reads a part alone.
constexpr int64_t kLargeWeights = 128 * 256;
constexpr int64_t kSharedPatches = 72;
// Measured on a Xeon with AMX: registers take 32 patches, and weights come too slowly for fewer.
constexpr PieceRow kMatrixUnitPieces[] = {{.weights = 128 * 256, .patches = 64},
                                          {.weights = INT64_MAX, .patches = 96}};

// Fewer channels than lanes would transform and multiply mostly nothing.
constexpr int64_t kLeastChannels = kBlock;
// Planes with many channels are small: large blocks would mostly lie outside of them.
constexpr int64_t kManyChannels = 256;

}  // namespace

int64_t WinogradPatch(const Node& node, const KernelTable& kernels, bool fast) {
  const bool fits = kernels.winograd && !node.direct && node.op == OpKind::kConv &&
                    node.groups == 1 && node.kernel.y == 3 && node.kernel.x == 3 &&
                    node.stride == kOnes && node.dilation.y == 1 && node.dilation.x == 1 &&
                    node.in_channels >= kLeastChannels && node.out_channels >= kLeastChannels;
  if (!fits) return 0;
  return fast && node.out_channels < kManyChannels ? kernels.winograd->fast_patch : kWinogradPatch;
}

bool HasPlanarKernel(const WindowShape& window, int64_t in_lanes, const KernelTable& kernels) {
  return kernels.planar_conv && window.taps() == 1 && window.stride_pixels() == 1 &&
         in_lanes == kBlock;
}

WinogradPiece WinogradPieces(int64_t in_channels, int64_t out_channels,
                             const WinogradKernels& kernels, int threads) {
  const int64_t weights = in_channels * out_channels;
  if (!kernels.matrix_unit && threads > 1 && weights > kLargeWeights)
    return {.patches = kSharedPatches, .shared = true};
  const PieceRow* row = kernels.matrix_unit ? kMatrixUnitPieces : kPieces;
  while (weights > row->weights) ++row;
  return {.patches = row->patches, .shared = false};
}

}  // namespace pyengine
