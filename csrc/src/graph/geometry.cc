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
    if (need.axis[0].empty() || need.axis[1].empty()) continue;
    grow(node->output, need);
    Region in;
    const OpType& type = TypeOf(node->op);
    for (int axis = 0; axis < 2; ++axis)
      in.axis[axis] = type.needed_input(*node, axis, need.axis[axis]);
    for (int i : node->inputs)
      if (i != LikeOf(*node)) regions[i].Include(in);
  }
  return regions;
}

constexpr int64_t kMaxStridePx = 4096;

std::string Px(const Extent& extent) {
  return std::to_string(extent.size[0]) + " x " + std::to_string(extent.size[1]);
}

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

int64_t OutputSize(const Node& node, int axis, int64_t in) {
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
    if (other.size[0] != out.size[0] || other.size[1] != out.size[1])
      throw Error(ErrorCode::kInvalidArgument,
                  "an input of " + Px(image) + " px does not fit the network: '" + node.name +
                      "' joins planes of " + Px(out) + " and " + Px(other));
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
  std::vector<Ratio> axis[2];
  int64_t alignment = 1;
};

Steps FindSteps(const Graph& graph) {
  Steps steps;
  for (std::vector<Ratio>& axis : steps.axis) axis.resize(graph.tensors.size());
  for (const Node& node : graph.nodes) {
    const int like = LikeOf(node), leading = like >= 0 ? like : Stepping(node, steps.axis[0]);
    for (int axis = 0; axis < 2; ++axis) {
      std::vector<Ratio>& step = steps.axis[axis];
      const StepFactor factor = like >= 0 ? StepFactor{} : TypeOf(node.op).step(node, axis);
      Ratio& out = step[node.output];
      out = graph.tensors[node.output].vector ? Ratio::None() : step[leading].Times(factor);
      for (int i : node.inputs)
        if (like < 0 && !step[i].none() && !(step[i] == step[leading]))
          throw Error(ErrorCode::kUnsupported,
                      "'" + node.name + "' joins planes of different resolution");
      steps.alignment = std::lcm(steps.alignment, node.cell_px);
      if (out.none()) continue;
      steps.alignment = std::lcm(steps.alignment, out.num);
      if (steps.alignment > kMaxStridePx || out.den > kMaxStridePx)
        throw Error(ErrorCode::kUnsupported,
                    "the network shrinks or enlarges its planes more than 4096 times");
    }
  }
  return steps;
}

}  // namespace

std::vector<Region> NeededRegions(const Graph& graph, const Region& out) {
  return WalkBack(graph, out, [](int, Region&) {});
}

std::vector<Region> NeededBlocks(const Graph& graph, const Region& out,
                                 const std::vector<int64_t>& grid,
                                 const std::vector<Region>& limits) {
  return WalkBack(graph, out, [&](int tensor, Region& need) {
    for (int axis = 0; axis < 2; ++axis) {
      Range& range = need.axis[axis];
      const int64_t whole = range.begin + RoundUp(range.size(), grid[tensor]);
      range.end = std::min(whole, limits[tensor].axis[axis].end);
    }
  });
}

std::vector<Extent> Extents(const Graph& graph, int64_t h, int64_t w) {
  std::vector<Extent> extents(graph.tensors.size());
  extents[0] = {{h, w}};
  for (const Node& node : graph.nodes) {
    const int leading = Leading(graph, node), like = LikeOf(node);
    const Extent& in = extents[leading];
    Extent out;
    if (like >= 0)
      out = extents[like];
    else if (!graph.tensors[node.output].vector)
      for (int axis = 0; axis < 2; ++axis) out.size[axis] = OutputSize(node, axis, in.size[axis]);
    TypeOf(node.op).check_extent(node, graph.tensors[leading], in, extents[0]);
    CheckJoined(graph, node, extents);
    extents[node.output] = out;
  }
  return extents;
}

GraphAnalysis Analyze(const Graph& graph, int64_t sample_h, int64_t sample_w) {
  GraphAnalysis result;
  NetworkGeometry& net = result.network;
  net.channels = graph.channels();
  net.classes = graph.tensors[graph.output].channels;
  const std::vector<Extent> extents = Extents(graph, sample_h, sample_w);

  const Steps steps = FindSteps(graph);
  const int64_t alignment = net.alignment = steps.alignment;
  for (const Node& node : graph.nodes)
    if (result.not_tileable_reason.empty()) result.not_tileable_reason = WholeImageReason(node);
  for (size_t t = 0; t < graph.tensors.size(); ++t) {
    const Ratio& step = steps.axis[0][t];
    // A pixel of what has no step stands for its share of the sample image.
    result.stride_px.push_back(step.none() ? double(sample_h) / double(extents[t].size[0])
                                           : step.value());
  }

  const bool dense =
      steps.axis[0][graph.output] == Ratio{} && steps.axis[1][graph.output] == Ratio{};
  if (result.not_tileable_reason.empty() && !dense)
    result.not_tileable_reason = "the output has another resolution than the image";
  const Extent& out = extents[graph.output];
  const int64_t lost_y = sample_h - out.size[0], lost_x = sample_w - out.size[1];
  if (result.not_tileable_reason.empty() && (lost_y != lost_x || lost_y < 0 || lost_y % 2 != 0))
    result.not_tileable_reason =
        "the output is not the image less an equal margin on every side (it loses " +
        std::to_string(lost_y) + " and " + std::to_string(lost_x) + " px)";
  net.tileable = result.not_tileable_reason.empty();
  net.dense = dense && lost_y == lost_x && lost_y >= 0 && lost_y % 2 == 0;
  if (net.dense) net.margin = std::max<int64_t>(0, lost_y / 2);

  net.size_residue = FloorMod(sample_h, alignment);
  if (net.dense && FloorMod(sample_w, alignment) != net.size_residue)
    throw Error(ErrorCode::kInvalidArgument,
                "sample height and width must agree modulo the alignment of " +
                    std::to_string(alignment) + " px, got " + std::to_string(sample_h) + " x " +
                    std::to_string(sample_w));
  if (net.tileable) {
    // Need of one alignment cell of outputs; every tile is a union of such cells.
    Region cell{{{.begin = 0, .end = alignment}, {.begin = 0, .end = alignment}}};
    const Region in = NeededRegions(graph, cell)[0];
    for (const Range& range : in.axis) {
      // Windows start on the pooling grid, so the need before the tile is rounded up to it.
      const int64_t before = RoundUp(std::max<int64_t>(0, -range.begin), alignment) + net.margin;
      net.before = std::max(net.before, before);
      net.after = std::max(net.after, range.end - alignment - net.margin);
    }
    net.halo = std::max(net.before, net.after);
    // The union over one cell exceeds one pixel's field by at most the cell; measure it exactly.
    for (int64_t p = 0; p < alignment; ++p) {
      const Region pixel =
          NeededRegions(graph, {{{.begin = p, .end = p + 1}, {.begin = p, .end = p + 1}}})[0];
      for (const Range& range : pixel.axis)
        result.receptive_field_px = std::max(result.receptive_field_px, range.size());
    }
    if (net.halo > kMaxHaloPx)
      throw Error(ErrorCode::kUnsupported, "the network's halo exceeds 16384 px");
  }
  for (const Node& node : graph.nodes) {
    const int64_t t = node.output;
    const double pixels = net.tileable ? 1.0 / (steps.axis[0][t].value() * steps.axis[1][t].value())
                                       : double(extents[t].size[0]) * double(extents[t].size[1]);
    result.node_flops.push_back(TypeOf(node.op).flops(node, pixels));
    result.flops_per_pixel += result.node_flops.back();
  }
  return result;
}

}  // namespace pyengine
