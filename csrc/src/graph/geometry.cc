#include "graph/geometry.h"

#include <algorithm>
#include <numeric>

#include "core/checked_math.h"
#include "graph/ops/op_type.h"
#include "pyengine/error.h"

namespace pyengine {
namespace {

// Regions of all tensors, from the output to the input; `grow(tensor, region)` has the last word on
// what is computed of a tensor.
template <class F>
std::vector<Region> WalkBack(const Graph& graph, const Region& out, F&& grow) {
  std::vector<Region> regions(graph.tensors.size());
  regions[graph.output] = out;
  for (auto node = graph.nodes.rbegin(); node != graph.nodes.rend(); ++node) {
    Region& need = regions[node->output];
    if (need.empty()) continue;
    grow(node->output, need);
    Region in;
    const OpType& type = TypeOf(node->op);
    for (Axis axis : kAxes) in.axis[axis] = type.needed_input(*node, axis, need.axis[axis]);
    for (int i : node->inputs)
      if (i != LikeOf(*node)) regions[i].Include(in);
  }
  return regions;
}

constexpr int64_t kMaxStridePx = 4096;

// A positive rational: grid steps are products and quotients of strides. Vectors and planes of a
// size that does not follow the image's have none.
struct Ratio {
  int64_t num = 1, den = 1;
  static Ratio None() { return {.num = 0, .den = 1}; }
  bool none() const { return num == 0; }
  Ratio Times(StepFactor factor) const {
    if (none() || factor.num == 0) return None();
    Ratio r{.num = CheckedMul(num, factor.num, "stride"),
            .den = CheckedMul(den, factor.den, "stride")};
    const int64_t g = std::gcd(r.num, r.den);
    return {.num = r.num / g, .den = r.den / g};
  }
  bool operator==(const Ratio& o) const { return num == o.num && den == o.den; }
  double value() const { return double(num) / double(den); }
};

int64_t OutputSize(const Node& node, Axis axis, int64_t in) {
  const int64_t out = TypeOf(node.op).output_size(node, axis, in);
  if (out < 1)
    throw Error(ErrorCode::kInvalidArgument, "the image is too small for the network: '" +
                                                 node.name + "' (" + OpName(node.op) + ") gets " +
                                                 std::to_string(in) + " px");
  return out;
}

// The input whose planes tell the size of what the node joins: the first that is no vector.
int Leading(const Graph& graph, const Node& node) {
  for (int i : node.inputs)
    if (!graph.tensors[i].vector) return i;
  return node.inputs[0];
}

// The planes that one node joins must have one size.
void CheckJoined(const Graph& graph, const Node& node, const std::vector<Extent>& extents) {
  const Extent &image = extents[0], &out = extents[Leading(graph, node)];
  for (int i : node.inputs) {
    if (graph.tensors[i].vector || i == LikeOf(node)) continue;
    const Extent& other = extents[i];
    if (!(other.size == out.size))
      throw Error(ErrorCode::kInvalidArgument,
                  "an input of " + SizeText(image) + " px does not fit the network: '" + node.name +
                      "' joins planes of " + SizeText(out) + " and " + SizeText(other));
  }
}

// The first input with a step, else the first.
int Stepping(const Node& node, const std::vector<Ratio>& steps) {
  for (int i : node.inputs)
    if (!steps[i].none()) return i;
  return node.inputs[0];
}

std::string WholeImageReason(const Node& node) {
  const std::string reason = TypeOf(node.op).whole_image_reason(node);
  return reason.empty() ? "" : "'" + node.name + "' (" + OpName(node.op) + ") " + reason;
}

// How far apart the pixels of all tensors lie on the image, and the least common multiple of that.
struct Steps {
  PerAxis<std::vector<Ratio>> axis;
  Axes alignment = kOnes;
};

Steps FindSteps(const Graph& graph) {
  Steps steps;
  for (Axis axis : kAxes) steps.axis[axis].resize(graph.tensors.size());
  for (const Node& node : graph.nodes) {
    const int like = LikeOf(node), leading = like >= 0 ? like : Stepping(node, steps.axis.y);
    for (Axis axis : kAxes) {
      std::vector<Ratio>& step = steps.axis[axis];
      const StepFactor factor = like >= 0 ? StepFactor{} : TypeOf(node.op).step(node, axis);
      Ratio& out = step[node.output];
      out = graph.tensors[node.output].vector ? Ratio::None() : step[leading].Times(factor);
      for (int i : node.inputs)
        if (like < 0 && !step[i].none() && !(step[i] == step[leading]))
          throw Error(ErrorCode::kUnsupported,
                      "'" + node.name + "' joins planes of different resolution");
      int64_t& alignment = steps.alignment[axis];
      if (node.volume || axis != Axis::kZ) alignment = std::lcm(alignment, node.cell_px);
      if (out.none()) continue;
      alignment = std::lcm(alignment, out.num);
      if (alignment > kMaxStridePx || out.den > kMaxStridePx)
        throw Error(ErrorCode::kUnsupported,
                    "the network shrinks or enlarges its planes more than 4096 times");
    }
  }
  return steps;
}

// Why the output is not the image less an equal margin on every side; empty: it is.
std::string MarginProblem(bool volume, const Axes& image, const Axes& out) {
  const Axes lost{.z = image.z - out.z, .y = image.y - out.y, .x = image.x - out.x};
  bool equal = volume || lost.y == lost.x;
  for (Axis axis : kAxes) equal = equal && lost[axis] >= 0 && lost[axis] % 2 == 0;
  if (equal) return "";
  return "the output is not the image less an equal margin on every side (it loses " +
         (volume ? std::to_string(lost.z) + ", " : "") + std::to_string(lost.y) + " and " +
         std::to_string(lost.x) + " px)";
}

// Of tiles: how far around them the input is read.
void FindContext(const Graph& graph, const Axes& alignment, GraphAnalysis& result) {
  // Need of one alignment cell of outputs; every tile is a union of such cells.
  Region cell;
  for (Axis axis : kAxes) cell.axis[axis] = {.begin = 0, .end = alignment[axis]};
  const Region in = NeededRegions(graph, cell)[0];
  int64_t most = 1;
  for (Axis axis : kAxes) {
    AxisGeometry& one = OfAxis(result.network, axis);
    // Windows start on the pooling grid, so the need before the tile is rounded up to it.
    const Range& range = in.axis[axis];
    one.before = RoundUp(std::max<int64_t>(0, -range.begin), alignment[axis]) + one.margin;
    one.after = std::max<int64_t>(0, range.end - alignment[axis] - one.margin);
    if (one.halo() > kMaxHaloPx)
      throw Error(ErrorCode::kUnsupported, "the network's halo exceeds 16384 px");
    most = std::max(most, alignment[axis]);
  }
  // The union over one cell exceeds one pixel's field by at most the cell; measure it exactly.
  for (int64_t p = 0; p < most; ++p) {
    Region pixel;
    for (Axis axis : kAxes) {
      const int64_t at = p % alignment[axis];
      pixel.axis[axis] = {.begin = at, .end = at + 1};
    }
    const Region field = NeededRegions(graph, pixel)[0];
    for (Axis axis : kAxes)
      result.receptive_field_px = std::max(result.receptive_field_px, field.axis[axis].size());
  }
}

}  // namespace

std::vector<Region> NeededRegions(const Graph& graph, const Region& out) {
  return WalkBack(graph, out, [](int, Region&) {});
}

std::vector<Region> NeededBlocks(const Graph& graph, const Region& out,
                                 const std::vector<Axes>& grid, const std::vector<Region>& limits) {
  return WalkBack(graph, out, [&](int tensor, Region& need) {
    for (Axis axis : kAxes) {
      Range& range = need.axis[axis];
      const int64_t whole = range.begin + RoundUp(range.size(), grid[tensor][axis]);
      range.end = std::min(whole, limits[tensor].axis[axis].end);
    }
  });
}

std::vector<Extent> Extents(const Graph& graph, const Axes& image) {
  std::vector<Extent> extents(graph.tensors.size());
  extents[0] = {.size = image};
  for (const Node& node : graph.nodes) {
    const int leading = Leading(graph, node), like = LikeOf(node);
    const Extent& in = extents[leading];
    Extent out;
    if (like >= 0)
      out = extents[like];
    else if (!graph.tensors[node.output].vector)
      for (Axis axis : kAxes) out.size[axis] = OutputSize(node, axis, in.size[axis]);
    TypeOf(node.op).check_extent(node, graph.tensors[leading], in, extents[0]);
    CheckJoined(graph, node, extents);
    extents[node.output] = out;
  }
  return extents;
}

GraphAnalysis Analyze(const Graph& graph, const Axes& sample) {
  GraphAnalysis result;
  NetworkGeometry& net = result.network;
  net.channels = graph.channels();
  net.classes = graph.tensors[graph.output].channels;
  net.volume = graph.volume;
  const std::vector<Extent> extents = Extents(graph, sample);

  const Steps steps = FindSteps(graph);
  // Images are cut alike along both axes.
  Axes alignment = steps.alignment;
  if (!graph.volume) alignment.y = alignment.x = std::lcm(alignment.y, alignment.x);
  net.alignment = std::max(alignment.y, alignment.x);
  for (const Node& node : graph.nodes)
    if (result.not_tileable_reason.empty()) result.not_tileable_reason = WholeImageReason(node);
  for (size_t t = 0; t < graph.tensors.size(); ++t) {
    const Ratio& step = steps.axis.y[t];
    // A pixel of what has no step stands for its share of the sample image.
    result.stride_px.push_back(step.none() ? double(sample.y) / double(extents[t].size.y)
                                           : step.value());
  }

  const Extent& out = extents[graph.output];
  bool dense = true;
  for (Axis axis : kAxes) dense = dense && steps.axis[axis][graph.output] == Ratio{};
  if (result.not_tileable_reason.empty() && !dense)
    result.not_tileable_reason = "the output has another resolution than the image";
  const std::string lost = MarginProblem(graph.volume, sample, out.size);
  if (result.not_tileable_reason.empty()) result.not_tileable_reason = lost;
  net.tileable = result.not_tileable_reason.empty();
  net.dense = dense && lost.empty();
  for (Axis axis : kAxes) {
    AxisGeometry& one = OfAxis(net, axis);
    one.alignment = alignment[axis];
    one.size_residue = FloorMod(sample[axis], alignment[axis]);
    if (net.dense) one.margin = (sample[axis] - out.size[axis]) / 2;
  }
  net.size_residue = net.y.size_residue;
  if (net.dense && !graph.volume && net.x.size_residue != net.size_residue)
    throw Error(ErrorCode::kInvalidArgument,
                "sample height and width must agree modulo the alignment of " +
                    std::to_string(net.alignment) + " px, got " + std::to_string(sample.y) + " x " +
                    std::to_string(sample.x));
  if (net.tileable) FindContext(graph, alignment, result);
  net.margin = std::max(net.y.margin, net.x.margin);
  net.before = std::max(net.y.before, net.x.before);
  net.after = std::max(net.y.after, net.x.after);
  net.halo = std::max(net.before, net.after);
  for (const Node& node : graph.nodes) {
    const int64_t t = node.output;
    double pixels = 1;
    for (Axis axis : kAxes) pixels *= steps.axis[axis][t].value();
    if (net.tileable)
      pixels = 1.0 / pixels;
    else
      pixels = double(extents[t].size.z) * double(extents[t].size.y) * double(extents[t].size.x);
    result.node_flops.push_back(TypeOf(node.op).flops(node, pixels));
    result.flops_per_pixel += result.node_flops.back();
  }
  return result;
}

AxisGeometry& OfAxis(NetworkGeometry& network, Axis axis) {
  return axis == Axis::kZ ? network.z : axis == Axis::kY ? network.y : network.x;
}
const AxisGeometry& OfAxis(const NetworkGeometry& network, Axis axis) {
  return axis == Axis::kZ ? network.z : axis == Axis::kY ? network.y : network.x;
}

}  // namespace pyengine
