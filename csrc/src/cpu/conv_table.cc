#include "cpu/conv_table.h"

namespace pyengine {
namespace {

constexpr int64_t kAny = INT64_MAX;

// The first row that a layer fits counts.
struct PieceRow {
  int64_t in_channels, weights;  // at most; weights: in_channels * out_channels
  int64_t tiles;
};

// Measured on Zen 3 and Zen 5. Where the transformed weights (36 floats each) fit the second-level
// cache, few tiles keep transformed inputs and products there too. Beyond it many tiles share each
// reading of the weights, and most of all where they come from memory.
constexpr PieceRow kPieces[] = {
    {16, 64 * 64, 48},     {32, 64 * 64, 24}, {kAny, 64 * 64, 12},
    {kAny, 256 * 256, 48}, {kAny, kAny, 96},
};

// Fewer channels than lanes would transform and multiply mostly nothing.
constexpr int64_t kLeastChannels = kBlock;
// Planes with many channels are small: large blocks would mostly lie outside of them.
constexpr int64_t kManyChannels = 256;

}  // namespace

int64_t WinogradTile(const Node& node, const KernelTable& kernels, bool fast) {
  const bool fits = kernels.winograd && node.op == OpKind::kConv && node.groups == 1 &&
                    node.kernel[0] == 3 && node.kernel[1] == 3 && node.stride[0] == 1 &&
                    node.stride[1] == 1 && node.dilation[0] == 1 && node.dilation[1] == 1 &&
                    node.in_channels >= kLeastChannels && node.out_channels >= kLeastChannels;
  if (!fits) return 0;
  return fast && node.out_channels < kManyChannels ? kFastWinogradTile : kWinogradTile;
}

int64_t WinogradTilesPerPiece(int64_t in_channels, int64_t out_channels) {
  const PieceRow* row = kPieces;
  while (in_channels > row->in_channels || in_channels * out_channels > row->weights) ++row;
  return row->tiles;
}

}  // namespace pyengine
