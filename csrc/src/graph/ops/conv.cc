// Convolutions: plain, transposed, and linear layers.
#include <algorithm>

#include "core/checked_math.h"
#include "graph/ops/op_type.h"
#include "pyengine/error.h"

namespace pyengine {
namespace {

void CheckWeighted(const Json& json, const Node& node, const TensorInfo& in) {
  if (node.weight.empty()) json.Fail("field 'weight' is missing");
  if (node.out_channels == 0) json.Fail("field 'out_channels' is missing");
  if (node.in_channels != in.channels)
    json.Fail("in_channels " + std::to_string(node.in_channels) + " but its input has " +
              std::to_string(in.channels));
  if (node.in_channels % node.groups || node.out_channels % node.groups)
    json.At("groups").Fail("must divide in_channels and out_channels");
}

void ReadConv(const Json& json, Node& node) {
  if (json.Has("direct")) node.direct = json.At("direct").Bool();
}

TensorInfo InferConv(const Json& json, const Node& node, const std::vector<TensorInfo>& in) {
  CheckWeighted(json, node, in[0]);
  const bool pixel = in[0].vector && KeepsOnePixel(node);
  return {.name = {}, .channels = node.out_channels, .vector = pixel};
}

TensorInfo InferTransposed(const Json& json, const Node& node, const std::vector<TensorInfo>& in) {
  CheckWeighted(json, node, in[0]);
  for (Axis axis : kAxes)
    if (node.output_padding[axis] >= std::max(node.stride[axis], node.dilation[axis]))
      json.Fail("output_padding must be smaller than the stride or the dilation");
  const bool pixel = in[0].vector && KeepsOnePixel(node);
  return {.name = {}, .channels = node.out_channels, .vector = pixel};
}

TensorInfo InferLinear(const Json& json, const Node& node, const std::vector<TensorInfo>& in) {
  CheckWeighted(json, node, in[0]);
  if (!in[0].vector) json.Fail("linear needs a flattened input");
  return {.name = {}, .channels = node.out_channels, .vector = true};
}

std::vector<int64_t> KernelShape(const Node& node, int64_t first, int64_t second) {
  std::vector<int64_t> shape{first, second / node.groups};
  for (Axis axis : kAxes)
    if (node.volume || axis != Axis::kZ) shape.push_back(node.kernel[axis]);
  return shape;
}

std::vector<int64_t> ConvWeight(const Node& node, int64_t /*channels*/) {
  return KernelShape(node, node.out_channels, node.in_channels);
}

std::vector<int64_t> TransposedWeight(const Node& node, int64_t /*channels*/) {
  return KernelShape(node, node.in_channels, node.out_channels);
}

std::vector<int64_t> LinearWeight(const Node& node, int64_t /*channels*/) {
  return {node.out_channels, node.in_channels};
}

Range TransposedInput(const Node& node, Axis axis, Range out) {
  const int64_t s = node.stride[axis], before = node.amounts.before[axis];
  return {.begin = CeilDiv(out.begin + before - (node.kernel[axis] - 1) * node.dilation[axis], s),
          .end = FloorDiv(out.end - 1 + before, s) + 1};
}

int64_t TransposedSize(const Node& node, Axis axis, int64_t in) {
  return CheckedMul(in - 1, node.stride[axis], "size") - node.amounts.before[axis] -
         node.amounts.after[axis] + (node.kernel[axis] - 1) * node.dilation[axis] + 1 +
         node.output_padding[axis];
}

const char* JoinsAllPixels(const Node& /*node*/) {
  return "joins all pixels of the image";
}

double ChannelFlops(const Node& node) {
  return 2 * double(node.in_channels) / double(node.groups) * double(node.out_channels);
}

double ConvFlops(const Node& node, double output_pixels) {
  return ChannelFlops(node) * double(Product(node.kernel)) * output_pixels;
}

double TransposedFlops(const Node& node, double output_pixels) {
  // Each input pixel reaches all taps; there are fewer of them than output pixels.
  return ConvFlops(node, output_pixels) / double(Product(node.stride));
}

double LinearFlops(const Node& node, double /*output_pixels*/) {
  return ChannelFlops(node);
}

}  // namespace

const OpType kConvType = {
    .word = "conv2d",
    .volume_word = "conv3d",
    .inputs = 1,
    .fields = kHasKernel | kHasStride | kHasDilation | kHasGroups | kHasAmounts | kHasBorder,
    .read = ReadConv,
    .infer = InferConv,
    .weight_shape = ConvWeight,
    .needed_input = WindowInput,
    .output_size = WindowSize,
    .step = Shrinks,
    .check_extent = RoomToReflect,
    .whole_image_reason = NotWholeImage,
    .flops = ConvFlops,
};

const OpType kConvTransposeType = {
    .word = "conv_transpose2d",
    .volume_word = "conv_transpose3d",
    .inputs = 1,
    .fields = kHasKernel | kHasStride | kHasDilation | kHasOutputPadding | kHasGroups | kHasAmounts,
    .read = NoFields,
    .infer = InferTransposed,
    .weight_shape = TransposedWeight,
    .needed_input = TransposedInput,
    .output_size = TransposedSize,
    .step = Enlarges,
    .check_extent = AnyExtent,
    .whole_image_reason = NotWholeImage,
    .flops = TransposedFlops,
};

const OpType kLinearType = {
    .word = "linear",
    .inputs = 1,
    .fields = kNoFields,
    .read = NoFields,
    .infer = InferLinear,
    .weight_shape = LinearWeight,
    .needed_input = SameInput,
    .output_size = SameSize,
    .step = SameStep,
    .check_extent = AnyExtent,
    .whole_image_reason = JoinsAllPixels,
    .flops = LinearFlops,
};

}  // namespace pyengine
