// Norms: numbers less their mean and over the root of their variance.
#include "graph/ops/op_type.h"

namespace pyengine {
namespace {

void ReadEpsilon(const Json& json, Node& node) {
  if (json.Has("epsilon")) node.epsilon = json.At("epsilon").Number();
  if (!(node.epsilon >= 0 && node.epsilon <= 1e6)) json.At("epsilon").Fail("must be 0 to 1e6");
}

void ReadLayerNorm(const Json& json, Node& node) {
  ReadEpsilon(json, node);
  if (json.Has("subtract_mean")) node.subtract_mean = json.At("subtract_mean").Bool();
}

TensorInfo InferGroupNorm(const Json& json, const Node& node, const std::vector<TensorInfo>& in) {
  if (in[0].channels % node.groups) json.At("groups").Fail("must divide the channels");
  return InferSame(json, node, in);
}

const char* NormalisesAll(const Node& /*node*/) {
  return "normalises with the mean and variance of the whole image";
}

}  // namespace

const OpType kGroupNormType = {
    .word = "group_norm",
    .inputs = 1,
    .fields = kHasGroups | kHasBias,
    .read = ReadEpsilon,
    .infer = InferGroupNorm,
    .weight_shape = OptionalWeight,
    .needed_input = SameInput,
    .output_size = SameSize,
    .step = SameStep,
    .check_extent = AnyExtent,
    .whole_image_reason = NormalisesAll,
    .flops = NoFlops,
};

const OpType kLayerNormType = {
    .word = "layer_norm",
    .inputs = 1,
    .fields = kHasBias,
    .read = ReadLayerNorm,
    .infer = InferSame,
    .weight_shape = OptionalWeight,
    .needed_input = SameInput,
    .output_size = SameSize,
    .step = SameStep,
    .check_extent = AnyExtent,
    .whole_image_reason = NotWholeImage,
    .flops = NoFlops,
};

}  // namespace pyengine
