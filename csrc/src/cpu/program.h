// The graph as the CPU executor runs it: storages, and operations between them.
//
// A program is independent of the image's size. Concatenation, cropping and (where possible)
// padding cost nothing: they only change which planes an operation is pointed at.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "cpu/steps/step.h"
#include "cpu/weight_pack.h"
#include "graph/graph.h"

namespace pyengine {

// A piece of memory that holds one tensor's region, in blocks of `lanes` channels.
struct Storage {
  int tensor = 0;  // whose index space and region it has
  int64_t channels = 0;
  int64_t lanes = 16;     // 16, or 1: planar, as images come
  bool external = false;  // the caller's memory
  // Pixels that are written together: the memory holds whole groups of them.
  Axes group = kOnes;
  // Finite images only: padding around the extent, for consumers that read it. Rows and columns of
  // it lie around every slice; slices of it are not held, but pointed at: they are copies of slices
  // within, or all alike.
  Amounts border;
  BorderMode border_mode = BorderMode::kZero;
  float border_value = 0;
  bool has_border = false;
  // Tables beside tensors: pixels per row, and rows (then of one slice); 0: as the tensor's region
  // has.
  int64_t table_pixels = 0, table_rows = 0;
  int64_t blocks() const { return (channels + lanes - 1) / lanes; }
  bool has_slice_border() const { return border.before.z > 0 || border.after.z > 0; }
};

// One block of a tensor: its index i is index i + shift of the storage.
struct BlockRef {
  int storage = 0;
  int64_t block = 0;
  Axes shift;
};

// One operation: which planes it reads and writes. How it computes them is its step's matter.
constexpr int kOpInputs = 3;  // at most
struct Op {
  int node = -1;  // graph node it stems from; -1: a copy between layouts
  int in_tensor[kOpInputs] = {-1, -1, -1};
  // One pixel that meets every output: a vector beside planes.
  bool still[kOpInputs] = {false, false, false};
  int out_tensor = -1;  // whose region it computes
  std::vector<BlockRef> in[kOpInputs], out;
  int64_t in_lanes = 16, out_lanes = 16;  // out_lanes 1: planar, as the caller wants its result
  int64_t in_channels = 0, channels = 0;
  std::unique_ptr<Step> step;
};

struct Program {
  bool finite = false;
  bool volume = false;
  std::vector<Storage> storages;  // 0 = input (planar, external), last = output (planar, external)
  std::vector<Op> ops;

  // Along which operations are interleaved: slices of volumes, rows of images.
  Axis band_axis() const { return volume ? Axis::kZ : Axis::kY; }
};

// `finite`: the network on a whole image, with its own padding; else on the infinite plane.
// `kernels` says which algorithms there are; `fast` allows those that round more. Packs the weights
// it needs into `weights`, which must outlive the program.
Program Lower(const Graph& graph, bool finite, bool fast, const KernelTable& kernels,
              PackedWeights& weights);

}  // namespace pyengine
