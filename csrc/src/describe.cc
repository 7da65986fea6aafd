#include "describe.h"

#include <utility>

#include "graph/ops/op_type.h"
#include "pyengine/error.h"

namespace pyengine {
namespace {

const char* ActivationOf(Head head) {
  switch (head) {
    case Head::kNone:
      return "none";
    case Head::kSoftmax:
      return "softmax";
    case Head::kSigmoid:
    case Head::kRegions:
      return "sigmoid";
  }
  return "none";
}

}  // namespace

GraphAnalysis AnalyzeNetwork(const EngineFile& file, const std::string& path) {
  const Manifest& manifest = file.manifest;
  GraphAnalysis analysis;
  try {
    analysis = Analyze(
        file.graph,
        {.z = manifest.sample_depth, .y = manifest.sample_height, .x = manifest.sample_width});
  } catch (const Error& e) {
    throw Error(ErrorCode::kBadEngineFile, path + ": graph: " + e.what());
  }
  NetworkGeometry& net = analysis.network;
  for (Axis axis : kAxes) {
    if (axis == Axis::kZ && !net.volume) continue;
    const int64_t halo = net.volume ? OfAxis(net, axis).halo() : net.halo;
    const int64_t alignment = OfAxis(net, axis).alignment;
    if (net.tileable && (halo != manifest.halo[axis] || alignment != manifest.alignment[axis]))
      throw Error(ErrorCode::kBadEngineFile, path + ": halo and alignment: the manifest says " +
                                                 std::to_string(manifest.halo[axis]) + " and " +
                                                 std::to_string(manifest.alignment[axis]) +
                                                 " px, the graph needs " + std::to_string(halo) +
                                                 " and " + std::to_string(alignment));
  }
  if (manifest.fixed_size && net.dense) {
    net.tileable = false;
    net.fixed_height = manifest.sample_height;
    net.fixed_width = manifest.sample_width;
    if (net.volume) net.z.fixed = manifest.sample_depth;
    net.y.fixed = net.fixed_height;
    net.x.fixed = net.fixed_width;
    analysis.not_tileable_reason = "its source fixes the size, or answers otherwise at another";
  }
  return analysis;
}

void SetContext(GraphAnalysis& analysis, int64_t halo_px, int64_t alignment_px) {
  NetworkGeometry& net = analysis.network;
  net.alignment = alignment_px;
  net.size_residue %= alignment_px;
  net.before = RoundUp(halo_px, alignment_px) + net.margin;
  net.after = halo_px;
  net.halo = net.before;
  for (AxisGeometry* axis : {&net.y, &net.x}) {
    axis->alignment = alignment_px;
    axis->size_residue %= alignment_px;
    axis->before = net.before;
    axis->after = net.after;
  }
  net.tileable = net.dense;
  if (net.tileable) analysis.not_tileable_reason.clear();
}

EngineInfo Describe(const EngineFile& file, const GraphAnalysis& analysis) {
  EngineInfo info;
  info.task = file.manifest.task;
  info.geometry = analysis.network;
  info.not_tileable_reason = analysis.not_tileable_reason;
  info.receptive_field_px = analysis.receptive_field_px;
  info.flops_per_pixel = analysis.flops_per_pixel;
  info.sample_height = file.manifest.sample_height;
  info.sample_width = file.manifest.sample_width;
  info.sample_depth = file.manifest.sample_depth;
  info.input_type = file.manifest.input_type;
  info.input_gain = file.manifest.preprocessing.first.gain;
  info.input_offset = file.manifest.preprocessing.first.offset;
  info.preprocessing_needs_image = file.manifest.preprocessing.depends_on_image();
  info.more_preprocessing =
      info.preprocessing_needs_image || !file.manifest.preprocessing.first.affine();
  info.activation = ActivationOf(file.manifest.head);
  for (const NamedOutput& one : file.manifest.outputs)
    info.results.push_back({.name = one.name,
                            .first_plane = one.first_plane,
                            .planes = one.planes,
                            .activation = ActivationOf(one.head),
                            .shrink = one.shrink,
                            .enlarge = one.enlarge});
  info.classes = file.manifest.classes;
  info.manifest_json = file.manifest_json;
  info.graph_json = file.graph_json;
  info.parameters = GraphParameters(file.graph, file.weights);
  for (size_t i = 0; i < file.graph.nodes.size(); ++i) {
    const Node& node = file.graph.nodes[i];
    LayerInfo layer;
    layer.name = node.name;
    layer.op =
        node.volume && TypeOf(node.op).volume_word ? TypeOf(node.op).volume_word : OpName(node.op);
    layer.channels = file.graph.tensors[node.output].channels;
    layer.parameters = NodeParameters(node, file.weights);
    layer.flops_per_pixel = analysis.node_flops[i];
    layer.stride_px = analysis.stride_px[node.output];
    info.layers.push_back(std::move(layer));
  }
  return info;
}

}  // namespace pyengine
