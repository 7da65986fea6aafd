// Arithmetic and comparisons of two tensors, or of one and constants; a choice between two;
// functions of the C library.
#include <algorithm>
#include <iterator>
#include <string>

#include "graph/ops/op_type.h"

namespace pyengine {
namespace {

constexpr Word<BinaryKind> kBinaryWords[] = {
    {.word = "add", .kind = BinaryKind::kAdd},
    {.word = "mul", .kind = BinaryKind::kMul},
    {.word = "sub", .kind = BinaryKind::kSub},
    {.word = "div", .kind = BinaryKind::kDiv},
    {.word = "max", .kind = BinaryKind::kMax},
    {.word = "min", .kind = BinaryKind::kMin},
    {.word = "less", .kind = BinaryKind::kLess},
    {.word = "less_equal", .kind = BinaryKind::kLessEqual},
    {.word = "greater", .kind = BinaryKind::kGreater},
    {.word = "greater_equal", .kind = BinaryKind::kGreaterEqual},
    {.word = "equal", .kind = BinaryKind::kEqual},
};
static_assert(std::size(kBinaryWords) == static_cast<size_t>(BinaryKind::kEqual) + 1);

constexpr Word<FunctionKind> kFunctionWords[] = {
    {.word = "sqrt", .kind = FunctionKind::kSqrt},
    {.word = "reciprocal", .kind = FunctionKind::kReciprocal},
    {.word = "log", .kind = FunctionKind::kLog},
    {.word = "sign", .kind = FunctionKind::kSign},
    {.word = "floor", .kind = FunctionKind::kFloor},
    {.word = "ceil", .kind = FunctionKind::kCeil},
    {.word = "round", .kind = FunctionKind::kRound},
    {.word = "trunc", .kind = FunctionKind::kTrunc},
    {.word = "sin", .kind = FunctionKind::kSin},
    {.word = "cos", .kind = FunctionKind::kCos},
    {.word = "pow", .kind = FunctionKind::kPow},
};
static_assert(std::size(kFunctionWords) == static_cast<size_t>(FunctionKind::kPow) + 1);

void ReadBinary(const Json& json, Node& node) {
  node.binary = ReadWord(json.At("kind"), "binary", kBinaryWords);
  if (json.Has("constant_first")) node.constant_first = json.At("constant_first").Bool();
}

void ReadFunction(const Json& json, Node& node) {
  node.function = ReadWord(json.At("kind"), "function", kFunctionWords);
  if (node.function == FunctionKind::kPow) json.At("alpha");
}

// One channel meets all, and a vector meets every pixel.
TensorInfo Joined(const Json& json, const std::vector<TensorInfo>& in, int64_t channels) {
  TensorInfo out{.name = {}, .channels = channels, .vector = true};
  for (const TensorInfo& one : in) out.channels = std::max(out.channels, one.channels);
  for (const TensorInfo& one : in) {
    out.vector = out.vector && one.vector;
    if (one.channels != out.channels && one.channels != 1)
      json.Fail("channels " + std::to_string(one.channels) + " and " +
                std::to_string(out.channels) + " do not match");
  }
  return out;
}

TensorInfo InferBinary(const Json& json, const Node& node, const std::vector<TensorInfo>& in) {
  if (node.weight.empty() != (in.size() == 2)) json.Fail("needs two inputs, or one and a weight");
  return Joined(json, in, std::max<int64_t>(1, node.out_channels));
}

TensorInfo InferWhere(const Json& json, const Node& node, const std::vector<TensorInfo>& in) {
  const size_t constants = (node.weight.empty() ? 0 : 1) + (node.bias.empty() ? 0 : 1);
  if (in.size() + constants != 3) json.Fail("needs three inputs, or weights in place of some");
  return Joined(json, in, std::max<int64_t>(1, node.out_channels));
}

}  // namespace

const OpType kBinaryType = {
    .word = "binary",
    .inputs = 1,
    .optional = 1,
    .fields = kNoFields,
    .read = ReadBinary,
    .infer = InferBinary,
    .weight_shape = OptionalWeight,
    .needed_input = SameInput,
    .output_size = SameSize,
    .step = SameStep,
    .check_extent = AnyExtent,
    .whole_image_reason = NotWholeImage,
    .flops = NoFlops,
};

const OpType kWhereType = {
    .word = "where",
    .inputs = 1,
    .optional = 2,
    .fields = kHasBias,
    .read = NoFields,
    .infer = InferWhere,
    .weight_shape = OptionalWeight,
    .needed_input = SameInput,
    .output_size = SameSize,
    .step = SameStep,
    .check_extent = AnyExtent,
    .whole_image_reason = NotWholeImage,
    .flops = NoFlops,
};

const OpType kFunctionType = {
    .word = "function",
    .inputs = 1,
    .fields = kNoFields,
    .read = ReadFunction,
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
