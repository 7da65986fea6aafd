// Enlargements by whole factors: pixels repeated, mixed, or brought from channels.
#include "core/checked_math.h"
#include "graph/ops/op_type.h"
#include "pyengine/error.h"

namespace pyengine {
namespace {

Range NearestInput(const Node& node, Axis axis, Range out) {
  const int64_t s = node.stride[axis];
  return {.begin = FloorDiv(out.begin, s), .end = FloorDiv(out.end - 1, s) + 1};
}

Range BilinearInput(const Node& node, Axis axis, Range out) {
  // Source position (i + 0.5) / s - 0.5 lies between its floor and the next index.
  const int64_t s = node.stride[axis];
  if (axis == Axis::kZ && s == 1) return out;  // slices are not mixed
  return {.begin = FloorDiv(2 * out.begin + 1 - s, 2 * s),
          .end = FloorDiv(2 * out.end - 1 - s, 2 * s) + 2};
}

const char* StretchesWithTheImage(const Node& node) {
  return node.align_corners ? "with align_corners=True stretches with the size of the image" : "";
}

void ReadOrder(const Json& json, Node& node) {
  if (!json.Has("order")) return;
  const Json& order = json.At("order");
  const std::string& word = order.String();
  if (word != "channels_first" && word != "blocks_first")
    order.Fail("unknown order '" + word + "'; channels_first and blocks_first exist");
  node.blocks_first = word == "blocks_first";
}

TensorInfo InferDepthToSpace(const Json& json, const Node& node,
                             const std::vector<TensorInfo>& in) {
  const int64_t block = Product(node.stride);
  if (in[0].channels % block != 0)
    json.Fail(std::to_string(in[0].channels) + " channels are no multiple of " +
              std::to_string(block) + ", the pixels of a block");
  return {.name = {}, .channels = in[0].channels / block, .vector = in[0].vector && block == 1};
}

TensorInfo InferSpaceToDepth(const Json& json, const Node& node,
                             const std::vector<TensorInfo>& in) {
  const int64_t block = Product(node.stride);
  const int64_t channels = in[0].channels * block;
  if (channels > kMaxChannels) json.Fail("too many channels");
  return {.name = {}, .channels = channels, .vector = in[0].vector && block == 1};
}

Range BlockInput(const Node& node, Axis axis, Range out) {
  return {.begin = out.begin * node.stride[axis], .end = out.end * node.stride[axis]};
}

int64_t BlockSize(const Node& node, Axis axis, int64_t in) {
  return in / node.stride[axis];
}

void WholeBlocks(const Node& node, const TensorInfo& /*in*/, const Extent& extent,
                 const Extent& /*image*/) {
  for (Axis axis : kAxes)
    if (extent.size[axis] % node.stride[axis])
      throw Error(ErrorCode::kInvalidArgument, "'" + node.name + "' gets " +
                                                   std::to_string(extent.size[axis]) +
                                                   " px, which are no multiple of its blocks of " +
                                                   std::to_string(node.stride[axis]) + " px");
}

}  // namespace

const OpType kSpaceToDepthType = {
    .word = "space_to_depth",
    .inputs = 1,
    .fields = kHasStride,
    .read = ReadOrder,
    .infer = InferSpaceToDepth,
    .weight_shape = NoWeight,
    .needed_input = BlockInput,
    .output_size = BlockSize,
    .step = Shrinks,
    .check_extent = WholeBlocks,
    .whole_image_reason = NotWholeImage,
    .flops = NoFlops,
};

const OpType kUpsampleNearestType = {
    .word = "upsample_nearest",
    .inputs = 1,
    .fields = kHasStride,
    .read = NoFields,
    .infer = InferPixels,
    .weight_shape = NoWeight,
    .needed_input = NearestInput,
    .output_size = EnlargedSize,
    .step = Enlarges,
    .check_extent = AnyExtent,
    .whole_image_reason = NotWholeImage,
    .flops = NoFlops,
};

const OpType kUpsampleBilinearType = {
    .word = "upsample_bilinear",
    .volume_word = "upsample_trilinear",
    .inputs = 1,
    .fields = kHasStride,
    .read = NoFields,
    .infer = InferPixels,
    .weight_shape = NoWeight,
    .needed_input = BilinearInput,
    .output_size = EnlargedSize,
    .step = Enlarges,
    .check_extent = AnyExtent,
    .whole_image_reason = StretchesWithTheImage,
    .flops = NoFlops,
};

const OpType kDepthToSpaceType = {
    .word = "depth_to_space",
    .inputs = 1,
    .fields = kHasStride,
    .read = ReadOrder,
    .infer = InferDepthToSpace,
    .weight_shape = NoWeight,
    .needed_input = NearestInput,
    .output_size = EnlargedSize,
    .step = Enlarges,
    .check_extent = AnyExtent,
    .whole_image_reason = NotWholeImage,
    .flops = NoFlops,
};

}  // namespace pyengine
