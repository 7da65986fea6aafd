// Pooling: maxima and means of windows, and of whole planes.
#include "graph/ops/op_type.h"

namespace pyengine {
namespace {

constexpr Word<ReduceKind> kPoolWords[] = {{.word = "max", .kind = ReduceKind::kMax},
                                           {.word = "mean", .kind = ReduceKind::kMean}};

void ReadPool(const Json& json, Node& node) {
  node.reduce = ReadWord(json.At("kind"), "pooling", kPoolWords);
  ReadCeilMode(json, node);
}

void ReadAdaptive(const Json& json, Node& node) {
  node.reduce = ReadWord(json.At("kind"), "pooling", kPoolWords);
  ReadSize(json.At("size"), node);
}

TensorInfo InferPool(const Json& json, const Node& node, const std::vector<TensorInfo>& in) {
  RequirePixelsInWindows(json, node);
  return InferPixels(json, node, in);
}

TensorInfo InferGlobal(const Json& /*json*/, const Node& /*node*/,
                       const std::vector<TensorInfo>& in) {
  return {.name = {}, .channels = in[0].channels, .vector = true};
}

const char* AveragesAll(const Node& /*node*/) {
  return "averages over the whole image";
}

}  // namespace

const OpType kMaxPoolType = {
    .word = "max_pool",
    .inputs = 1,
    .fields = kHasKernel | kHasStride | kHasAmounts,
    .read = NoFields,
    .infer = InferPool,
    .weight_shape = NoWeight,
    .needed_input = WindowInput,
    .output_size = WindowSize,
    .step = Shrinks,
    .check_extent = AnyExtent,
    .whole_image_reason = NotWholeImage,
    .flops = NoFlops,
};

const OpType kAvgPoolType = {
    .word = "avg_pool",
    .inputs = 1,
    .fields = kHasKernel | kHasStride | kHasAmounts,
    .read = NoFields,
    .infer = InferPool,
    .weight_shape = NoWeight,
    .needed_input = WindowInput,
    .output_size = WindowSize,
    .step = Shrinks,
    .check_extent = AnyExtent,
    .whole_image_reason = NotWholeImage,
    .flops = NoFlops,
};

const OpType kPoolType = {
    .word = "pool",
    .inputs = 1,
    .fields = kHasKernel | kHasStride | kHasDilation | kHasAmounts,
    .read = ReadPool,
    .infer = InferPool,
    .weight_shape = NoWeight,
    .needed_input = WindowInput,
    .output_size = PoolSize,
    .step = Shrinks,
    .check_extent = AnyExtent,
    .whole_image_reason = NotWholeImage,
    .flops = NoFlops,
};

const OpType kAdaptivePoolType = {
    .word = "adaptive_pool",
    .inputs = 1,
    .fields = kNoFields,
    .read = ReadAdaptive,
    .infer = InferPixels,
    .weight_shape = NoWeight,
    .needed_input = SameInput,
    .output_size = GivenSize,
    .step = NoStep,
    .check_extent = AnyExtent,
    .whole_image_reason = ReducesAll,
    .flops = NoFlops,
};

const OpType kGlobalAvgPoolType = {
    .word = "global_avg_pool",
    .inputs = 1,
    .fields = kNoFields,
    .read = NoFields,
    .infer = InferGlobal,
    .weight_shape = NoWeight,
    .needed_input = SameInput,
    .output_size = SameSize,
    .step = SameStep,
    .check_extent = AnyExtent,
    .whole_image_reason = AveragesAll,
    .flops = NoFlops,
};

}  // namespace pyengine
