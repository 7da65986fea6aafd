// Weights in the order in which the kernels read them; packed once, when an engine is opened, also
// where several nodes share them.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <tuple>
#include <vector>

#include "core/aligned_buffer.h"
#include "core/thread_pool.h"
#include "cpu/kernels/kernels.h"
#include "graph/graph.h"
#include "graph/weights.h"

namespace pyengine {

struct PackedConv {
  AlignedBuffer<float> weights, bias;
  std::vector<ConvBlock> blocks;  // none: depthwise, or Winograd's
};

// Numbers per channel, padded to blocks; empty where the node names none.
struct PackedAffine {
  AlignedBuffer<float> scale, shift;
};

// G g G^T of Winograd's F(m x m, 3x3), m = `patch_px`, for a kernel g of 3x3, row by row: (m + 2)^2
// values.
// Row p of G is (1, p, p^2) over the product of the distances of p to the other points; the last
// row is infinity's.
void WinogradKernel(const float* kernel, int64_t patch_px, double* out);

class PackedWeights {
 public:
  // `pool` shares the work of transforming weights.
  PackedWeights(const Graph& graph, const WeightMap& weights, ThreadPool& pool);

  // Convolution or linear node, for input planes of `in_lanes` channels.
  const PackedConv* Conv(int node, int64_t in_lanes);
  // 3x3 convolution node (of each slice of its kernel), transformed for patches of this size and
  // packed for these kernels.
  const PackedConv* Winograd(int node, int64_t patch_px, const WinogradKernels& kernels);
  // The taps of a transposed convolution that meet outputs of one phase, in reading order.
  const PackedConv* TransposedPhase(int node, const Axes& phase, const Axes& taps);
  // The same for all phases together, where each has `taps`: blocks in the order (block of output
  // channels, phase).
  const PackedConv* TransposedPhases(int node, const Axes& taps);
  const PackedAffine* Affine(int node);
  // The planes of a constant, in blocks of 16 channels.
  const float* Planes(int node);
  // PReLU slopes, or other constants per channel, padded to blocks.
  const float* Slopes(int node);

  static bool IsDepthwise(const Node& node) {
    return node.op == OpKind::kConv && node.groups > 1 && node.groups == node.in_channels &&
           node.in_channels == node.out_channels;
  }

  int64_t bytes() const;  // of all that were packed

 private:
  enum class Layout { kDirect, kWinograd, kPhase, kPhases };
  struct ConvKey {
    int node = 0;
    Layout layout = Layout::kDirect;
    int64_t lanes = 0;     // kDirect: of the input planes
    int64_t patch_px = 0;  // kWinograd
    Axes phase = {};       // kPhase
    bool operator<(const ConvKey& o) const {
      return std::tie(node, layout, lanes, patch_px, phase.z, phase.y, phase.x) <
             std::tie(o.node, o.layout, o.lanes, o.patch_px, o.phase.z, o.phase.y, o.phase.x);
    }
  };

  const Graph& graph_;
  const WeightMap& weights_;
  ThreadPool& pool_;
  std::vector<int> first_;  // by node, the first node whose packed weights are the same
  std::map<ConvKey, std::unique_ptr<PackedConv>> convs_;
  std::map<int, std::unique_ptr<PackedAffine>> affines_;
  std::map<int, AlignedBuffer<float>> planes_;
};

}  // namespace pyengine
