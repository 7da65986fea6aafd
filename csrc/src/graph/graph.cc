#include "graph/graph.h"

#include <unordered_map>

#include "graph/ops/op_type.h"
#include "pyengine/error.h"

namespace pyengine {
namespace {

constexpr int64_t kMaxKernel = 255;
constexpr int64_t kMaxAmount = 1 << 14;
constexpr size_t kMaxNodes = 100000;

void ReadAmounts(const Json& list, bool volume, Amounts& out) {
  const size_t axes = volume ? 3 : 2;
  if (list.Items().size() != 2 * axes)
    list.Fail(volume ? "must hold front, top, left, back, bottom, right"
                     : "must hold top, left, bottom, right");
  size_t i = 0;
  for (Axes* side : {&out.before, &out.after})
    for (Axis axis : kAxes)
      if (volume || axis != Axis::kZ) (*side)[axis] = list.Items()[i++].Int(0, kMaxAmount);
}

BorderMode ReadBorder(const Json& json) {
  const std::string& mode = json.String();
  if (mode == "zero") return BorderMode::kZero;
  if (mode == "reflect") return BorderMode::kReflect;
  if (mode == "replicate") return BorderMode::kReplicate;
  if (mode == "constant") return BorderMode::kConstant;
  json.Fail("unknown mode '" + mode + "'; zero, reflect, replicate and constant exist");
}

float ReadFloat(const Json& json, const char* key, float fallback) {
  return json.Has(key) ? static_cast<float>(json.At(key).Number()) : fallback;
}

class GraphReader {
 public:
  explicit GraphReader(const Json& json) : json_(json) {}

  Graph Read() {
    const Json& input = json_.At("input");
    AddTensor(input.At("name"), input.At("channels").Int(1, kMaxChannels), false);
    if (input.Has("axes")) graph_.volume = ReadsVolumes(input.At("axes"));
    const auto& nodes = json_.At("nodes").Items();
    if (nodes.size() > kMaxNodes) json_.At("nodes").Fail("holds more than 100000 nodes");
    for (const Json& node : nodes) ReadNode(node);
    graph_.output = Tensor(json_.At("output"));
    return std::move(graph_);
  }

 private:
  static bool ReadsVolumes(const Json& axes) {
    std::string names;
    for (const Json& axis : axes.Items()) names += axis.String();
    if (names != "zyx" && names != "yx") axes.Fail(R"(must be ["y", "x"] or ["z", "y", "x"])");
    return names == "zyx";
  }

  int AddTensor(const Json& name, int64_t channels, bool vector) {
    const int index = static_cast<int>(graph_.tensors.size());
    if (!index_.emplace(name.String(), index).second)
      name.Fail("tensor '" + name.String() + "' is produced twice");
    graph_.tensors.push_back({.name = name.String(), .channels = channels, .vector = vector});
    return index;
  }

  int Tensor(const Json& name) const {
    const auto found = index_.find(name.String());
    if (found == index_.end())
      name.Fail("tensor '" + name.String() + "' is used before it is produced");
    return found->second;
  }

  void ReadNode(const Json& json) {
    Node node;
    const std::string& op = json.At("op").String();
    node.op = OpNamed(op, graph_.volume);
    node.volume = graph_.volume;
    node.name = json.Has("name") ? json.At("name").String() : op;
    for (const Json& input : json.At("inputs").Items()) node.inputs.push_back(Tensor(input));
    CheckInputs(json, node);
    ReadAttributes(json, node);
    std::vector<TensorInfo> inputs;
    inputs.reserve(node.inputs.size());
    for (int i : node.inputs) inputs.push_back(graph_.tensors[i]);
    const TensorInfo out = TypeOf(node.op).infer(json, node, inputs);
    if (TypeOf(node.op).weight_shape(node, out.channels).empty()) {
      node.weight.clear();
      if (!(TypeOf(node.op).fields & kHasBias)) node.bias.clear();
    }
    node.output = AddTensor(json.At("output"), out.channels, out.vector);
    graph_.nodes.push_back(std::move(node));
  }

  static void CheckInputs(const Json& json, const Node& node) {
    const OpType& type = TypeOf(node.op);
    const auto given = static_cast<int>(node.inputs.size());
    if (given == 0) json.At("inputs").Fail("is empty");
    if (type.inputs == 0 || (given >= type.inputs && given <= type.inputs + type.optional)) return;
    const char* words[] = {"one tensor", "two tensors", "three tensors"};
    const std::string least = words[type.inputs - 1], most = words[type.inputs + type.optional - 1];
    json.At("inputs").Fail("must hold " + (type.optional ? least + " to " + most : least));
  }

  // What an operator has of the fields that a file gives: of the others the defaults stay, since
  // what is shared by operators' code would act on them.
  static void TakeShared(const Node& file, unsigned fields, Node& node) {
    if (fields & kHasKernel) node.kernel = file.kernel;
    if (fields & kHasStride) node.stride = file.stride;
    if (fields & kHasDilation) node.dilation = file.dilation;
    if (fields & kHasOutputPadding) node.output_padding = file.output_padding;
    if (fields & kHasGroups) node.groups = file.groups;
    if (fields & kHasAmounts) node.amounts = file.amounts;
    if (fields & kHasBorder) {
      node.border = file.border;
      node.border_value = file.border_value;
    }
  }

  static void ReadAttributes(const Json& json, Node& node) {
    Node file = node;
    const auto read = [&](const char* key, int64_t min, int64_t max, Axes& out) {
      if (json.Has(key)) ReadAxes(json.At(key), node.volume, min, max, out);
    };
    read("kernel", 1, kMaxKernel, file.kernel);
    read("stride", 1, 64, file.stride);
    read("dilation", 1, 1024, file.dilation);
    read("output_padding", 0, 63, file.output_padding);
    if (json.Has("amounts")) ReadAmounts(json.At("amounts"), node.volume, file.amounts);
    if (json.Has("border")) file.border = ReadBorder(json.At("border"));
    file.border_value = ReadFloat(json, "border_value", 0);
    if (json.Has("groups")) file.groups = json.At("groups").Int(1, kMaxChannels);
    TakeShared(file, TypeOf(node.op).fields, node);
    if (json.Has("count_include_pad")) node.count_include_pad = json.At("count_include_pad").Bool();
    if (json.Has("align_corners")) node.align_corners = json.At("align_corners").Bool();
    if (json.Has("weight")) node.weight = json.At("weight").String();
    if (json.Has("bias")) node.bias = json.At("bias").String();
    if (json.Has("in_channels")) node.in_channels = json.At("in_channels").Int(1, kMaxChannels);
    if (json.Has("out_channels")) node.out_channels = json.At("out_channels").Int(1, kMaxChannels);
    node.alpha = ReadFloat(json, "alpha", 0);
    node.beta = ReadFloat(json, "beta", 0);
    TypeOf(node.op).read(json, node);
  }

  const Json& json_;
  Graph graph_;
  std::unordered_map<std::string, int> index_;
};

}  // namespace

std::string SizeText(const Extent& extent) {
  const std::string plane = std::to_string(extent.size.y) + " x " + std::to_string(extent.size.x);
  return extent.size.z == 1 ? plane : std::to_string(extent.size.z) + " x " + plane;
}

Graph ParseGraph(const Json& json) {
  return GraphReader(json).Read();
}

}  // namespace pyengine
