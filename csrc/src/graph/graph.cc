#include "graph/graph.h"

#include <algorithm>
#include <map>

#include "core/checked_math.h"
#include "pyengine/error.h"

namespace pyengine {
namespace {

constexpr int64_t kMaxChannels = 1 << 20;
constexpr int64_t kMaxKernel = 255;
constexpr int64_t kMaxAmount = 1 << 14;
constexpr size_t kMaxNodes = 100000;

const std::map<std::string, OpKind>& OpKinds() {
  static const std::map<std::string, OpKind> kinds = {
      {"conv2d", OpKind::kConv},
      {"conv_transpose2d", OpKind::kConvTranspose},
      {"linear", OpKind::kLinear},
      {"affine", OpKind::kAffine},
      {"activation", OpKind::kActivation},
      {"max_pool", OpKind::kMaxPool},
      {"avg_pool", OpKind::kAvgPool},
      {"global_avg_pool", OpKind::kGlobalAvgPool},
      {"upsample_nearest", OpKind::kUpsampleNearest},
      {"upsample_bilinear", OpKind::kUpsampleBilinear},
      {"concat", OpKind::kConcat},
      {"add", OpKind::kAdd},
      {"mul", OpKind::kMul},
      {"crop", OpKind::kCrop},
      {"pad", OpKind::kPad},
      {"flatten", OpKind::kFlatten},
      {"softmax", OpKind::kSoftmax},
  };
  return kinds;
}

const std::map<std::string, ActivationKind>& ActivationKinds() {
  static const std::map<std::string, ActivationKind> kinds = {
      {"relu", ActivationKind::kRelu},
      {"leaky_relu", ActivationKind::kLeakyRelu},
      {"prelu", ActivationKind::kPRelu},
      {"elu", ActivationKind::kElu},
      {"silu", ActivationKind::kSilu},
      {"gelu", ActivationKind::kGelu},
      {"gelu_tanh", ActivationKind::kGeluTanh},
      {"sigmoid", ActivationKind::kSigmoid},
      {"tanh", ActivationKind::kTanh},
      {"hard_swish", ActivationKind::kHardSwish},
      {"hard_sigmoid", ActivationKind::kHardSigmoid},
      {"clip", ActivationKind::kClip},
      {"erf", ActivationKind::kErf},
  };
  return kinds;
}

void ReadPair(const Json& json, const char* key, int64_t min, int64_t max, int64_t out[2]) {
  if (!json.Has(key)) return;
  const Json& pair = json.At(key);
  if (pair.Items().size() != 2) pair.Fail("must hold two integers");
  for (int i = 0; i < 2; ++i) out[i] = pair.Items()[i].Int(min, max);
}

void ReadAmounts(const Json& json, const char* key, Amounts& out) {
  if (!json.Has(key)) return;
  const Json& list = json.At(key);
  if (list.Items().size() != 4) list.Fail("must hold top, left, bottom, right");
  int64_t* fields[] = {&out.top, &out.left, &out.bottom, &out.right};
  for (int i = 0; i < 4; ++i) *fields[i] = list.Items()[i].Int(0, kMaxAmount);
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
    const auto& nodes = json_.At("nodes").Items();
    if (nodes.size() > kMaxNodes) json_.At("nodes").Fail("holds more than 100000 nodes");
    for (const Json& node : nodes) ReadNode(node);
    graph_.output = Tensor(json_.At("output"));
    return std::move(graph_);
  }

 private:
  int AddTensor(const Json& name, int64_t channels, bool vector) {
    const int index = static_cast<int>(graph_.tensors.size());
    if (!index_.emplace(name.String(), index).second)
      name.Fail("tensor '" + name.String() + "' is produced twice");
    graph_.tensors.push_back({name.String(), channels, vector});
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
    const auto kind = OpKinds().find(op);
    if (kind == OpKinds().end())
      throw Error(ErrorCode::kUnsupported,
                  "operator '" + op + "' is not one that the CPU executor runs");
    node.op = kind->second;
    node.name = json.Has("name") ? json.At("name").String() : op;
    for (const Json& input : json.At("inputs").Items()) node.inputs.push_back(Tensor(input));
    if (node.inputs.empty()) json.At("inputs").Fail("is empty");
    ReadAttributes(json, node);
    bool vector = false;
    int64_t channels = 0;
    InferOutput(json, node, channels, vector);
    node.output = AddTensor(json.At("output"), channels, vector);
    graph_.nodes.push_back(std::move(node));
  }

  static void ReadAttributes(const Json& json, Node& node) {
    ReadPair(json, "kernel", 1, kMaxKernel, node.kernel);
    ReadPair(json, "stride", 1, 64, node.stride);
    ReadPair(json, "dilation", 1, 1024, node.dilation);
    ReadPair(json, "output_padding", 0, 63, node.output_padding);
    ReadAmounts(json, "amounts", node.amounts);
    if (json.Has("border")) node.border = ReadBorder(json.At("border"));
    node.border_value = ReadFloat(json, "border_value", 0);
    if (json.Has("count_include_pad")) node.count_include_pad = json.At("count_include_pad").Bool();
    if (json.Has("align_corners")) node.align_corners = json.At("align_corners").Bool();
    if (json.Has("groups")) node.groups = json.At("groups").Int(1, kMaxChannels);
    if (json.Has("weight")) node.weight = json.At("weight").String();
    if (json.Has("bias")) node.bias = json.At("bias").String();
    if (json.Has("in_channels")) node.in_channels = json.At("in_channels").Int(1, kMaxChannels);
    if (json.Has("out_channels")) node.out_channels = json.At("out_channels").Int(1, kMaxChannels);
    node.alpha = ReadFloat(json, "alpha", 0);
    node.beta = ReadFloat(json, "beta", 0);
    if (node.op == OpKind::kActivation) {
      const Json& name = json.At("kind");
      const auto kind = ActivationKinds().find(name.String());
      if (kind == ActivationKinds().end())
        throw Error(ErrorCode::kUnsupported,
                    "activation '" + name.String() + "' is not one that the CPU executor runs");
      node.activation = kind->second;
    }
  }

  void InferOutput(const Json& json, Node& node, int64_t& channels, bool& vector) const {
    const TensorInfo& in = graph_.tensors[node.inputs[0]];
    channels = in.channels;
    vector = in.vector;
    const bool many = node.op == OpKind::kConcat;
    const bool two = node.op == OpKind::kAdd || node.op == OpKind::kMul;
    if (!many && node.inputs.size() != (two ? 2u : 1u))
      json.At("inputs").Fail(two ? "must hold two tensors" : "must hold one tensor");
    switch (node.op) {
      case OpKind::kConv:
      case OpKind::kConvTranspose:
        CheckWeighted(json, node, in);
        if (node.in_channels % node.groups || node.out_channels % node.groups)
          json.At("groups").Fail("must divide in_channels and out_channels");
        if (node.op == OpKind::kConvTranspose) {
          if (node.dilation[0] != 1 || node.dilation[1] != 1)
            throw Error(ErrorCode::kUnsupported,
                        "conv_transpose2d with dilation is not one that the CPU executor runs");
          for (int axis = 0; axis < 2; ++axis)
            if (node.output_padding[axis] >= node.stride[axis])
              json.Fail("output_padding must be smaller than the stride");
        }
        channels = node.out_channels;
        break;
      case OpKind::kLinear:
        CheckWeighted(json, node, in);
        if (!in.vector) json.Fail("linear needs a flattened input");
        channels = node.out_channels;
        break;
      case OpKind::kAffine:
        if (node.weight.empty() || node.bias.empty()) json.Fail("affine needs weight and bias");
        break;
      case OpKind::kActivation:
        if (node.activation == ActivationKind::kPRelu && node.weight.empty())
          json.Fail("prelu needs a weight");
        break;
      case OpKind::kMaxPool:
      case OpKind::kAvgPool:
        // A window without a single pixel of the image has no maximum and no mean.
        if (std::max(node.amounts.top, node.amounts.bottom) >= node.kernel[0] ||
            std::max(node.amounts.left, node.amounts.right) >= node.kernel[1])
          json.Fail("amounts must be smaller than the kernel");
        break;
      case OpKind::kGlobalAvgPool:
        vector = true;
        break;
      case OpKind::kFlatten:
        if (node.out_channels == 0) json.Fail("field 'out_channels' is missing");
        if (in.vector && node.out_channels != in.channels)
          json.At("out_channels").Fail("must equal the channels of a vector");
        channels = node.out_channels;
        vector = true;
        break;
      case OpKind::kConcat:
        channels = 0;
        for (int i : node.inputs) {
          if (graph_.tensors[i].vector != in.vector) json.Fail("concat of planes and vectors");
          channels += graph_.tensors[i].channels;
        }
        if (channels > kMaxChannels) json.Fail("too many channels");
        break;
      case OpKind::kAdd:
      case OpKind::kMul: {
        const TensorInfo& b = graph_.tensors[node.inputs[1]];
        if (b.channels != in.channels && b.channels != 1 && in.channels != 1)
          json.Fail("channels " + std::to_string(in.channels) + " and " +
                    std::to_string(b.channels) + " do not match");
        channels = in.channels > b.channels ? in.channels : b.channels;
        vector = in.vector && b.vector;
        break;
      }
      default:
        break;
    }
    const bool windowed = node.op == OpKind::kConv || node.op == OpKind::kConvTranspose ||
                          node.op == OpKind::kMaxPool || node.op == OpKind::kAvgPool ||
                          node.op == OpKind::kPad || node.op == OpKind::kCrop ||
                          node.op == OpKind::kUpsampleBilinear ||
                          node.op == OpKind::kUpsampleNearest || node.op == OpKind::kGlobalAvgPool;
    const bool pointwise_conv = node.op == OpKind::kConv && node.kernel[0] == 1 &&
                                node.kernel[1] == 1 && !node.amounts.Any();
    if (windowed && in.vector && !pointwise_conv) json.Fail("needs planes, got a vector");
  }

  static void CheckWeighted(const Json& json, const Node& node, const TensorInfo& in) {
    if (node.weight.empty()) json.Fail("field 'weight' is missing");
    if (node.out_channels == 0) json.Fail("field 'out_channels' is missing");
    if (node.in_channels != in.channels)
      json.Fail("in_channels " + std::to_string(node.in_channels) + " but its input has " +
                std::to_string(in.channels));
  }

  const Json& json_;
  Graph graph_;
  std::map<std::string, int> index_;
};

}  // namespace

Graph ParseGraph(const Json& json) {
  return GraphReader(json).Read();
}

const char* OpName(OpKind op) {
  for (const auto& [name, kind] : OpKinds())
    if (kind == op) return name.c_str();
  return "?";
}

}  // namespace pyengine
