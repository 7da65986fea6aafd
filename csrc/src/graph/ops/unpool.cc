// Where in its window a maximum lies, and maxima put back to where they came from.
#include "core/checked_math.h"
#include "graph/ops/op_type.h"

namespace pyengine {
namespace {

// Overlapping windows could put two numbers into one place.
void CheckApart(const Json& json, const Node& node) {
  for (Axis axis : kAxes)
    if (node.stride[axis] < node.kernel[axis]) json.Fail("windows must not overlap");
  RequirePixelsInWindows(json, node);
}

TensorInfo InferIndices(const Json& json, const Node& node, const std::vector<TensorInfo>& in) {
  CheckApart(json, node);
  return InferPixels(json, node, in);
}

TensorInfo InferUnpool(const Json& json, const Node& node, const std::vector<TensorInfo>& in) {
  CheckApart(json, node);
  if (in[0].channels != in[1].channels || in[0].vector != in[1].vector)
    json.Fail("pixels and indices do not match");
  if (LikeOf(node) >= 0) return {.name = {}, .channels = in[0].channels, .vector = in[2].vector};
  return InferPixels(json, node, in);
}

Range UnpoolInput(const Node& node, Axis axis, Range out) {
  const int64_t s = node.stride[axis], before = node.amounts.before[axis];
  return {.begin = FloorDiv(out.begin + before, s), .end = FloorDiv(out.end - 1 + before, s) + 1};
}

int64_t UnpoolSize(const Node& node, Axis axis, int64_t in) {
  return CheckedMul(in - 1, node.stride[axis], "size") + node.kernel[axis] -
         node.amounts.before[axis] - node.amounts.after[axis];
}

}  // namespace

const OpType kMaxPoolIndicesType = {
    .word = "max_pool_indices",
    .inputs = 1,
    .fields = kHasKernel | kHasStride | kHasAmounts,
    .read = ReadCeilMode,
    .infer = InferIndices,
    .weight_shape = NoWeight,
    .needed_input = WindowInput,
    .output_size = PoolSize,
    .step = Shrinks,
    .check_extent = AnyExtent,
    .whole_image_reason = NotWholeImage,
    .flops = NoFlops,
};

const OpType kMaxUnpoolType = {
    .word = "max_unpool",
    .inputs = 2,
    .optional = 1,
    .like = 2,
    .fields = kHasKernel | kHasStride | kHasAmounts,
    .read = NoFields,
    .infer = InferUnpool,
    .weight_shape = NoWeight,
    .needed_input = UnpoolInput,
    .output_size = UnpoolSize,
    .step = Enlarges,
    .check_extent = AnyExtent,
    .whole_image_reason = NotWholeImage,
    .flops = NoFlops,
};

}  // namespace pyengine
