// The graph as the CPU executor runs it: storages, and operations between them.
//
// Lowering is independent of the image's size. Concatenation, cropping and (where possible)
// padding cost nothing: they only change which planes an operation is pointed at.
#pragma once

#include <cstdint>
#include <vector>

#include "cpu/weight_pack.h"
#include "graph/graph.h"

namespace pyengine {

// A piece of memory that holds one tensor's region, in blocks of `lanes` channels.
struct Storage {
  int tensor = 0;  // whose index space and region it has
  int64_t channels = 0;
  int64_t lanes = 16;     // 16, or 1: planar, as images come
  bool external = false;  // the caller's memory
  // Pixels per side that are written together: the memory holds whole groups of them.
  int64_t group[2] = {1, 1};
  // Finite images only: made-up pixels around the extent, for consumers that pad.
  Amounts border;
  BorderMode border_mode = BorderMode::kZero;
  float border_value = 0;
  bool has_border = false;
  int64_t blocks() const { return (channels + lanes - 1) / lanes; }
};

// One block of a tensor: its index (y, x) is index (y + dy, x + dx) of the storage.
struct BlockRef {
  int storage = 0;
  int64_t block = 0;
  int64_t dy = 0, dx = 0;
};

enum class Step {
  kWinograd,  // 3x3, stride 1
  kConv,      // also linear, and one phase of a transposed convolution
  kDepthwise,
  kPool,
  kUpsample,
  kBinary,
  kAffine,
  kSoftmax,
  kGlobalAvgPool,
  kCopy,     // between layouts, or into a part of a concatenation
  kFlatten,  // planes to a vector in (channel, y, x) order
};

struct Op {
  Step step = Step::kConv;
  int node = -1;  // graph node it stems from
  int in_tensor[2] = {-1, -1};
  int out_tensor = -1;  // whose region it computes
  std::vector<BlockRef> in[2], out;
  int64_t in_lanes = 16, out_lanes = 16;  // out_lanes 1: planar, as the caller wants its result
  bool planar_kernel = false;             // where out_lanes is 1: KernelTable::planar_conv does it
  int64_t in_channels = 0, channels = 0;
  int64_t channel_offset = 0;  // kCopy: first channel written in `out`
  const PackedConv* packed = nullptr;
  const PackedAffine* affine = nullptr;
  int64_t winograd_tile = 0;                  // kWinograd: outputs per side of a block, else 0
  const WinogradKernels* winograd = nullptr;  // kWinograd
  // Transposed convolution: output indices congruent to `phase` (mod stride), whose first tap lies
  // at input index (i - phase) / stride + first_tap. Where all phases read the same inputs they are
  // one operation, with `phases` output blocks for each block of channels.
  bool transposed = false;
  int64_t phases = 1;
  int64_t phase[2] = {0, 0}, first_tap[2] = {0, 0};
  int64_t kernel[2] = {1, 1}, stride[2] = {1, 1}, dilation[2] = {1, 1};
  ActivationKind activation = ActivationKind::kNone;
  float alpha = 0, beta = 0;
  const float* slopes = nullptr;
};

struct Program {
  bool finite = false;
  std::vector<Storage> storages;  // 0 = input (planar, external), last = output (planar, external)
  std::vector<Op> ops;
};

// `finite`: the network on a whole image, with its own padding; else on the infinite plane.
// `kernels` says which algorithms there are; `fast` allows those that round more. Packs the weights
// it needs into `weights`, which must outlive the program.
Program Lower(const Graph& graph, bool finite, bool fast, const KernelTable& kernels,
              PackedWeights& weights);

}  // namespace pyengine
