#include <algorithm>
#include <array>
#include <cstring>

#include "core/checked_math.h"
#include "graph/ops/op_type.h"
#include "pyengine/error.h"

namespace pyengine {
namespace {

constexpr int64_t kMaxSize = 1 << 20;

constexpr std::array kOpTypes = {
#define PYENGINE_OP(name) &k##name##Type,
#include "graph/ops/op_list.inc"
#undef PYENGINE_OP
};

}  // namespace

const OpType& TypeOf(OpKind kind) {
  return *kOpTypes[static_cast<size_t>(kind)];
}

OpKind OpNamed(const std::string& word, bool volume) {
  const auto found = std::find_if(kOpTypes.begin(), kOpTypes.end(), [&](const OpType* type) {
    return word == (volume && type->volume_word ? type->volume_word : type->word);
  });
  if (found == kOpTypes.end())
    throw Error(ErrorCode::kUnsupported,
                "operator '" + word + "' is not one that the CPU executor runs");
  return static_cast<OpKind>(found - kOpTypes.begin());
}

const char* OpName(OpKind op) {
  return TypeOf(op).word;
}

int LikeOf(const Node& node) {
  const int like = TypeOf(node.op).like;
  return like >= 0 && like < static_cast<int>(node.inputs.size()) ? node.inputs[like] : -1;
}

bool KeepsOnePixel(const Node& node) {
  const OpType& type = TypeOf(node.op);
  return std::all_of(std::begin(kAxes), std::end(kAxes),
                     [&](Axis axis) { return type.output_size(node, axis, 1) == 1; });
}

void ReadAxes(const Json& json, bool volume, int64_t min, int64_t max, Axes& out) {
  const size_t axes = volume ? 3 : 2;
  if (json.Items().size() != axes)
    json.Fail(volume ? "must hold three integers" : "must hold two integers");
  if (volume) out.z = json.Items()[0].Int(min, max);
  out.y = json.Items()[axes - 2].Int(min, max);
  out.x = json.Items()[axes - 1].Int(min, max);
}

void ReadSize(const Json& json, Node& node) {
  ReadAxes(json, node.volume, 1, kMaxSize, node.size);
}

int64_t GivenSize(const Node& node, Axis axis, int64_t /*in*/) {
  return node.size[axis];
}

StepFactor NoStep(const Node& /*node*/, Axis /*axis*/) {
  return {.num = 0, .den = 1};
}

void NoFields(const Json& /*json*/, Node& /*node*/) {}

TensorInfo InferSame(const Json& /*json*/, const Node& /*node*/,
                     const std::vector<TensorInfo>& in) {
  return {.name = {}, .channels = in[0].channels, .vector = in[0].vector};
}

TensorInfo InferPixels(const Json& /*json*/, const Node& node, const std::vector<TensorInfo>& in) {
  return {.name = {}, .channels = in[0].channels, .vector = in[0].vector && KeepsOnePixel(node)};
}

std::vector<int64_t> NoWeight(const Node& /*node*/, int64_t /*channels*/) {
  return {};
}

std::vector<int64_t> WeightPerChannel(const Node& /*node*/, int64_t channels) {
  return {channels};
}

std::vector<int64_t> OptionalWeight(const Node& node, int64_t channels) {
  return node.weight.empty() ? NoWeight(node, channels) : WeightPerChannel(node, channels);
}

Range SameInput(const Node& /*node*/, Axis /*axis*/, Range out) {
  return out;
}

int64_t SameSize(const Node& /*node*/, Axis /*axis*/, int64_t in) {
  return in;
}

StepFactor SameStep(const Node& /*node*/, Axis /*axis*/) {
  return {};
}

void AnyExtent(const Node& /*node*/, const TensorInfo& /*in*/, const Extent& /*extent*/,
               const Extent& /*image*/) {}

void RoomToReflect(const Node& node, const TensorInfo& /*in*/, const Extent& extent,
                   const Extent& /*image*/) {
  if (node.border != BorderMode::kReflect) return;
  for (Axis axis : kAxes)
    if (std::max(node.amounts.before[axis], node.amounts.after[axis]) >= extent.size[axis])
      throw Error(ErrorCode::kInvalidArgument,
                  "'" + node.name + "' pads " + std::to_string(extent.size[axis]) +
                      " px by reflection, which needs more pixels than the padding");
}

const char* NotWholeImage(const Node& /*node*/) {
  return "";
}

const char* ReducesAll(const Node& /*node*/) {
  return "joins all pixels of the image";
}

double NoFlops(const Node& /*node*/, double /*output_pixels*/) {
  return 0;
}

void RequirePixelsInWindows(const Json& json, const Node& node) {
  for (Axis axis : kAxes)
    if (std::max(node.amounts.before[axis], node.amounts.after[axis]) >= node.kernel[axis])
      json.Fail("amounts must be smaller than the kernel");
}

void ReadCeilMode(const Json& json, Node& node) {
  if (json.Has("ceil_mode")) node.ceil_mode = json.At("ceil_mode").Bool();
}

Range WindowInput(const Node& node, Axis axis, Range out) {
  const int64_t s = node.stride[axis], before = node.amounts.before[axis];
  return {.begin = out.begin * s - before,
          .end = (out.end - 1) * s - before + (node.kernel[axis] - 1) * node.dilation[axis] + 1};
}

int64_t WindowSize(const Node& node, Axis axis, int64_t in) {
  const int64_t padded = in + node.amounts.before[axis] + node.amounts.after[axis];
  return FloorDiv(padded - (node.kernel[axis] - 1) * node.dilation[axis] - 1, node.stride[axis]) +
         1;
}

int64_t PoolSize(const Node& node, Axis axis, int64_t in) {
  const int64_t whole = WindowSize(node, axis, in), s = node.stride[axis];
  if (!node.ceil_mode) return whole;
  const int64_t padded = in + node.amounts.before[axis] + node.amounts.after[axis];
  const bool reaches_all =
      (whole - 1) * s + (node.kernel[axis] - 1) * node.dilation[axis] + 1 >= padded;
  return !reaches_all && whole * s < in + node.amounts.before[axis] ? whole + 1 : whole;
}

StepFactor Shrinks(const Node& node, Axis axis) {
  return {.num = node.stride[axis], .den = 1};
}

int64_t EnlargedSize(const Node& node, Axis axis, int64_t in) {
  return CheckedMul(in, node.stride[axis], "size");
}

StepFactor Enlarges(const Node& node, Axis axis) {
  return {.num = 1, .den = node.stride[axis]};
}

}  // namespace pyengine
