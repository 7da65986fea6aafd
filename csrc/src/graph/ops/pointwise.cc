// Operators that look at one pixel at a time.
#include <algorithm>
#include <iterator>
#include <string>

#include "graph/ops/op_type.h"
#include "pyengine/error.h"

namespace pyengine {
namespace {

constexpr Word<ActivationKind> kActivationWords[] = {
    {.word = "relu", .kind = ActivationKind::kRelu},
    {.word = "leaky_relu", .kind = ActivationKind::kLeakyRelu},
    {.word = "prelu", .kind = ActivationKind::kPRelu},
    {.word = "elu", .kind = ActivationKind::kElu},
    {.word = "silu", .kind = ActivationKind::kSilu},
    {.word = "gelu", .kind = ActivationKind::kGelu},
    {.word = "gelu_tanh", .kind = ActivationKind::kGeluTanh},
    {.word = "sigmoid", .kind = ActivationKind::kSigmoid},
    {.word = "tanh", .kind = ActivationKind::kTanh},
    {.word = "hard_swish", .kind = ActivationKind::kHardSwish},
    {.word = "hard_sigmoid", .kind = ActivationKind::kHardSigmoid},
    {.word = "clip", .kind = ActivationKind::kClip},
    {.word = "erf", .kind = ActivationKind::kErf},
    {.word = "abs", .kind = ActivationKind::kAbs},
    {.word = "exp", .kind = ActivationKind::kExp},
    {.word = "softplus", .kind = ActivationKind::kSoftplus},
    {.word = "mish", .kind = ActivationKind::kMish},
    {.word = "softsign", .kind = ActivationKind::kSoftsign},
};
// All but kNone, which no file names.
static_assert(std::size(kActivationWords) == static_cast<size_t>(ActivationKind::kSoftsign));

void ReadKind(const Json& json, Node& node) {
  node.activation = ReadWord(json.At("kind"), "activation", kActivationWords);
  const bool softplus = node.activation == ActivationKind::kSoftplus;
  if (softplus && !json.Has("alpha")) node.alpha = 1;
  if (softplus && node.alpha <= 0) json.At("alpha").Fail("must be above 0");
}

TensorInfo InferAffine(const Json& json, const Node& node, const std::vector<TensorInfo>& in) {
  if (node.weight.empty() || node.bias.empty()) json.Fail("affine needs weight and bias");
  return InferSame(json, node, in);
}

TensorInfo InferActivation(const Json& json, const Node& node, const std::vector<TensorInfo>& in) {
  if (node.activation == ActivationKind::kPRelu && node.weight.empty())
    json.Fail("prelu needs a weight");
  return InferSame(json, node, in);
}

// One channel meets all, and a vector meets every pixel.
TensorInfo InferBinary(const Json& json, const Node& /*node*/, const std::vector<TensorInfo>& in) {
  const TensorInfo &a = in[0], &b = in[1];
  if (a.channels != b.channels && a.channels != 1 && b.channels != 1)
    json.Fail("channels " + std::to_string(a.channels) + " and " + std::to_string(b.channels) +
              " do not match");
  return {.name = {}, .channels = std::max(a.channels, b.channels), .vector = a.vector && b.vector};
}

std::vector<int64_t> SlopesOfPRelu(const Node& node, int64_t channels) {
  return node.activation == ActivationKind::kPRelu ? WeightPerChannel(node, channels)
                                                   : NoWeight(node, channels);
}

}  // namespace

const OpType kAffineType = {
    .word = "affine",
    .inputs = 1,
    .fields = kNoFields,
    .read = NoFields,
    .infer = InferAffine,
    .weight_shape = WeightPerChannel,
    .needed_input = SameInput,
    .output_size = SameSize,
    .step = SameStep,
    .check_extent = AnyExtent,
    .whole_image_reason = NotWholeImage,
    .flops = NoFlops,
};

const OpType kActivationType = {
    .word = "activation",
    .inputs = 1,
    .fields = kNoFields,
    .read = ReadKind,
    .infer = InferActivation,
    .weight_shape = SlopesOfPRelu,
    .needed_input = SameInput,
    .output_size = SameSize,
    .step = SameStep,
    .check_extent = AnyExtent,
    .whole_image_reason = NotWholeImage,
    .flops = NoFlops,
};

const OpType kAddType = {
    .word = "add",
    .inputs = 2,
    .fields = kNoFields,
    .read = NoFields,
    .infer = InferBinary,
    .weight_shape = NoWeight,
    .needed_input = SameInput,
    .output_size = SameSize,
    .step = SameStep,
    .check_extent = AnyExtent,
    .whole_image_reason = NotWholeImage,
    .flops = NoFlops,
};

const OpType kMulType = {
    .word = "mul",
    .inputs = 2,
    .fields = kNoFields,
    .read = NoFields,
    .infer = InferBinary,
    .weight_shape = NoWeight,
    .needed_input = SameInput,
    .output_size = SameSize,
    .step = SameStep,
    .check_extent = AnyExtent,
    .whole_image_reason = NotWholeImage,
    .flops = NoFlops,
};

const OpType kSoftmaxType = {
    .word = "softmax",
    .inputs = 1,
    .fields = kNoFields,
    .read = NoFields,
    .infer = InferSame,
    .weight_shape = NoWeight,
    .needed_input = SameInput,
    .output_size = SameSize,
    .step = SameStep,
    .check_extent = AnyExtent,
    .whole_image_reason = NotWholeImage,
    .flops = NoFlops,
};

}  // namespace pyengine
