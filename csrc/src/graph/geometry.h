// Index arithmetic of the network: which inputs an output needs, and how big tensors are.
//
// Two views of the same graph:
// - on a finite image, every tensor has an extent, and padding makes up what lies outside;
// - on the infinite plane, which tiles are cut from, padding only shifts indices, because the halo
//   keeps every padded pixel away from the result (the exactness contract).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/range.h"
#include "graph/graph.h"
#include "pyengine/executor.h"

namespace pyengine {

struct Region {
  PerAxis<Range> axis;
  bool empty() const { return axis.z.empty() || axis.y.empty() || axis.x.empty(); }
  void Include(const Region& other) {
    for (Axis one : kAxes) axis[one].Include(other.axis[one]);
  }
};

// Regions of all tensors from which region `out` of the output follows on the infinite plane.
// Tensors that it does not need get empty regions.
std::vector<Region> NeededRegions(const Graph& graph, const Region& out);

// The same where some tensors are computed in blocks of `grid[tensor]` pixels, counted
// from the region's begin: regions end with whole blocks, but not beyond `limits`, the regions from
// which the rest of the image follows. A block that `limits` cuts is cut in every tile alike.
std::vector<Region> NeededBlocks(const Graph& graph, const Region& out,
                                 const std::vector<Axes>& grid, const std::vector<Region>& limits);

// Extents of all tensors for an image of this size.
// Throws Error(kInvalidArgument) if the sizes of a concat, add or mul disagree.
std::vector<Extent> Extents(const Graph& graph, const Axes& image);

// Everything that follows from the graph alone.
struct GraphAnalysis {
  NetworkGeometry network;
  std::string not_tileable_reason;
  int64_t receptive_field_px = 0;
  double flops_per_pixel = 0;      // of a whole-image pass; not tileable: of one sample image
  std::vector<double> node_flops;  // per output pixel (or per image), by node
  std::vector<double> stride_px;   // input pixels per index step along y, by tensor
};

// `sample` is an input size that the network accepts.
GraphAnalysis Analyze(const Graph& graph, const Axes& sample);

AxisGeometry& OfAxis(NetworkGeometry& network, Axis axis);
const AxisGeometry& OfAxis(const NetworkGeometry& network, Axis axis);

constexpr int64_t kMaxHaloPx = 16384;

}  // namespace pyengine
