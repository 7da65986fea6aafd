// The one place that decides, by a layer's shape, how it is computed and how it is cut.
#pragma once

#include <cstdint>

#include "cpu/kernels/kernels.h"
#include "cpu/steps/step.h"
#include "graph/graph.h"

namespace pyengine {

// Outputs per side of Winograd's patches, or 0: the convolution is computed directly. `fast` allows
// the size that rounds more.
int64_t WinogradPatch(const Node& node, const KernelTable& kernels, bool fast);

// Whether the table has a kernel that writes a last convolution's result as planes; `in_lanes`
// channels lie in one input plane.
bool HasPlanarKernel(const WindowShape& window, int64_t in_lanes, const KernelTable& kernels);

// How a layer's patches are dealt out.
struct WinogradPiece {
  // That share one reading of the weights; a multiple of the widest register block.
  int64_t patches;
  // By all threads, each of which multiplies some of the output blocks.
  bool shared;
};
WinogradPiece WinogradPieces(int64_t in_channels, int64_t out_channels,
                             const WinogradKernels& kernels, int threads);

}  // namespace pyengine
