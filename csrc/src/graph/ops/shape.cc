// Operators that only say where values lie.
#include "core/checked_math.h"
#include "graph/ops/op_type.h"
#include "pyengine/error.h"

namespace pyengine {
namespace {

TensorInfo InferConcat(const Json& json, const Node& /*node*/, const std::vector<TensorInfo>& in) {
  TensorInfo out{.name = {}, .channels = 0, .vector = in[0].vector};
  for (const TensorInfo& one : in) {
    if (one.vector != out.vector) json.Fail("concat of planes and vectors");
    out.channels += one.channels;
  }
  if (out.channels > kMaxChannels) json.Fail("too many channels");
  return out;
}

TensorInfo InferFlatten(const Json& json, const Node& node, const std::vector<TensorInfo>& in) {
  if (node.out_channels == 0) json.Fail("field 'out_channels' is missing");
  if (in[0].vector && node.out_channels != in[0].channels)
    json.At("out_channels").Fail("must equal the channels of a vector");
  return {.name = {}, .channels = node.out_channels, .vector = true};
}

void ReadChannels(const Json& json, Node& node) {
  for (const Json& channel : json.At("channels").Items())
    node.channels.push_back(channel.Int(0, kMaxChannels));
  if (node.channels.empty()) json.At("channels").Fail("is empty");
  if (node.channels.size() > static_cast<size_t>(kMaxChannels))
    json.At("channels").Fail("too many channels");
}

TensorInfo InferSelect(const Json& json, const Node& node, const std::vector<TensorInfo>& in) {
  for (size_t i = 0; i < node.channels.size(); ++i)
    if (node.channels[i] >= in[0].channels)
      json.At("channels").Items()[i].Fail("must be below " + std::to_string(in[0].channels));
  return {
      .name = {}, .channels = static_cast<int64_t>(node.channels.size()), .vector = in[0].vector};
}

TensorInfo InferExpand(const Json& json, const Node& /*node*/, const std::vector<TensorInfo>& in) {
  if (!in[0].vector) json.Fail("expands a vector, got planes");
  return {.name = {}, .channels = in[0].channels, .vector = in[1].vector};
}

void ReadConstant(const Json& json, Node& node) {
  ReadSize(json.At("size"), node);
}

TensorInfo InferConstant(const Json& json, const Node& node,
                         const std::vector<TensorInfo>& /*in*/) {
  if (node.weight.empty()) json.Fail("field 'weight' is missing");
  if (node.out_channels == 0) json.Fail("field 'out_channels' is missing");
  return {.name = {}, .channels = node.out_channels, .vector = false};
}

std::vector<int64_t> PlanesOfWeight(const Node& node, int64_t channels) {
  if (node.volume) return {channels, node.size.z, node.size.y, node.size.x};
  return {channels, node.size.y, node.size.x};
}

void OfThisSize(const Node& node, const TensorInfo& /*in*/, const Extent& extent,
                const Extent& image) {
  if (extent.size == node.size) return;
  throw Error(ErrorCode::kInvalidArgument,
              "an input of " + SizeText(image) + " px does not fit the network: '" + node.name +
                  "' holds planes of " + SizeText({.size = node.size}) + " px");
}

const char* IsOfOneSize(const Node& /*node*/) {
  return "holds numbers for an image of one size";
}

Range CropInput(const Node& node, Axis axis, Range out) {
  const int64_t before = node.amounts.before[axis];
  return {.begin = out.begin + before, .end = out.end + before};
}

int64_t CropSize(const Node& node, Axis axis, int64_t in) {
  return in - node.amounts.before[axis] - node.amounts.after[axis];
}

Range PadInput(const Node& node, Axis axis, Range out) {
  const int64_t before = node.amounts.before[axis];
  return {.begin = out.begin - before, .end = out.end - before};
}

int64_t PadSize(const Node& node, Axis axis, int64_t in) {
  return in + node.amounts.before[axis] + node.amounts.after[axis];
}

void CheckFlattened(const Node& node, const TensorInfo& in, const Extent& extent,
                    const Extent& image) {
  if (in.vector) return;
  const int64_t values = CheckedMul(in.channels, CheckedProduct(extent.size, "flatten"), "flatten");
  if (values != node.out_channels)
    throw Error(ErrorCode::kInvalidArgument, "an input of " + SizeText(image) + " px gives " +
                                                 std::to_string(values) + " values at '" +
                                                 node.name + "', the network needs " +
                                                 std::to_string(node.out_channels));
}

const char* JoinsAllPixels(const Node& /*node*/) {
  return "joins all pixels of the image";
}

}  // namespace

const OpType kConcatType = {
    .word = "concat",
    .inputs = 0,
    .fields = kNoFields,
    .read = NoFields,
    .infer = InferConcat,
    .weight_shape = NoWeight,
    .needed_input = SameInput,
    .output_size = SameSize,
    .step = SameStep,
    .check_extent = AnyExtent,
    .whole_image_reason = NotWholeImage,
    .flops = NoFlops,
};

const OpType kCropType = {
    .word = "crop",
    .inputs = 1,
    .fields = kHasAmounts,
    .read = NoFields,
    .infer = InferPixels,
    .weight_shape = NoWeight,
    .needed_input = CropInput,
    .output_size = CropSize,
    .step = SameStep,
    .check_extent = AnyExtent,
    .whole_image_reason = NotWholeImage,
    .flops = NoFlops,
};

const OpType kPadType = {
    .word = "pad",
    .inputs = 1,
    .fields = kHasAmounts | kHasBorder,
    .read = NoFields,
    .infer = InferPixels,
    .weight_shape = NoWeight,
    .needed_input = PadInput,
    .output_size = PadSize,
    .step = SameStep,
    .check_extent = RoomToReflect,
    .whole_image_reason = NotWholeImage,
    .flops = NoFlops,
};

const OpType kSelectType = {
    .word = "select",
    .inputs = 1,
    .fields = kNoFields,
    .read = ReadChannels,
    .infer = InferSelect,
    .weight_shape = NoWeight,
    .needed_input = SameInput,
    .output_size = SameSize,
    .step = SameStep,
    .check_extent = AnyExtent,
    .whole_image_reason = NotWholeImage,
    .flops = NoFlops,
};

const OpType kExpandType = {
    .word = "expand",
    .inputs = 2,
    .like = 1,
    .fields = kNoFields,
    .read = NoFields,
    .infer = InferExpand,
    .weight_shape = NoWeight,
    .needed_input = SameInput,
    .output_size = SameSize,
    .step = SameStep,
    .check_extent = AnyExtent,
    .whole_image_reason = NotWholeImage,
    .flops = NoFlops,
};

const OpType kConstantType = {
    .word = "constant",
    .inputs = 1,
    .like = 0,
    .fields = kNoFields,
    .read = ReadConstant,
    .infer = InferConstant,
    .weight_shape = PlanesOfWeight,
    .needed_input = SameInput,
    .output_size = GivenSize,
    .step = SameStep,
    .check_extent = OfThisSize,
    .whole_image_reason = IsOfOneSize,
    .flops = NoFlops,
};

const OpType kFlattenType = {
    .word = "flatten",
    .inputs = 1,
    .fields = kNoFields,
    .read = NoFields,
    .infer = InferFlatten,
    .weight_shape = NoWeight,
    .needed_input = SameInput,
    .output_size = SameSize,
    .step = SameStep,
    .check_extent = CheckFlattened,
    .whole_image_reason = JoinsAllPixels,
    .flops = NoFlops,
};

}  // namespace pyengine
