// Many numbers become one: over the channels of a pixel, or over all pixels of a channel.
#include <iterator>

#include "graph/ops/op_type.h"

namespace pyengine {
namespace {

constexpr Word<ReduceKind> kReduceWords[] = {
    {.word = "mean", .kind = ReduceKind::kMean},
    {.word = "sum", .kind = ReduceKind::kSum},
    {.word = "max", .kind = ReduceKind::kMax},
    {.word = "min", .kind = ReduceKind::kMin},
    {.word = "l1", .kind = ReduceKind::kL1},
    {.word = "l2", .kind = ReduceKind::kL2},
    {.word = "sum_square", .kind = ReduceKind::kSumSquare},
};
static_assert(std::size(kReduceWords) == static_cast<size_t>(ReduceKind::kSumSquare) + 1);

void ReadReduce(const Json& json, Node& node) {
  node.reduce = ReadWord(json.At("kind"), "reduction", kReduceWords);
  const Json& axes = json.At("axes");
  std::string names;
  for (const Json& axis : axes.Items()) names += axis.String() + " ";
  const std::string all = node.volume ? "z y x " : "y x ";
  if (names != "c " && names != all)
    axes.Fail(node.volume ? R"(must be ["c"] or ["z", "y", "x"])"
                          : R"(must be ["c"] or ["y", "x"])");
  node.over_channels = names == "c ";
}

TensorInfo InferReduce(const Json& /*json*/, const Node& node, const std::vector<TensorInfo>& in) {
  if (!node.over_channels) return {.name = {}, .channels = in[0].channels, .vector = true};
  return {.name = {}, .channels = 1, .vector = in[0].vector};
}

TensorInfo InferArgMax(const Json& /*json*/, const Node& /*node*/,
                       const std::vector<TensorInfo>& in) {
  return {.name = {}, .channels = 1, .vector = in[0].vector};
}

const char* UnlessOverChannels(const Node& node) {
  return node.over_channels ? NotWholeImage(node) : ReducesAll(node);
}

}  // namespace

const OpType kReduceType = {
    .word = "reduce",
    .inputs = 1,
    .fields = kNoFields,
    .read = ReadReduce,
    .infer = InferReduce,
    .weight_shape = NoWeight,
    .needed_input = SameInput,
    .output_size = SameSize,
    .step = SameStep,
    .check_extent = AnyExtent,
    .whole_image_reason = UnlessOverChannels,
    .flops = NoFlops,
};

const OpType kArgMaxType = {
    .word = "argmax",
    .inputs = 1,
    .fields = kNoFields,
    .read = NoFields,
    .infer = InferArgMax,
    .weight_shape = NoWeight,
    .needed_input = SameInput,
    .output_size = SameSize,
    .step = SameStep,
    .check_extent = AnyExtent,
    .whole_image_reason = NotWholeImage,
    .flops = NoFlops,
};

}  // namespace pyengine
