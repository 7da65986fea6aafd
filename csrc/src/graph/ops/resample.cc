// Resizing as ONNX defines it: to any size, by any rule.
#include <algorithm>
#include <cmath>

#include "core/checked_math.h"
#include "graph/ops/op_type.h"

namespace pyengine {
namespace {

using Coordinates = ResizeRule::Coordinates;
using Mode = ResizeRule::Mode;
using Rounding = ResizeRule::Rounding;

constexpr Word<Mode> kModes[] = {{.word = "nearest", .kind = Mode::kNearest},
                                 {.word = "linear", .kind = Mode::kLinear},
                                 {.word = "cubic", .kind = Mode::kCubic}};
constexpr Word<Coordinates> kCoordinates[] = {
    {.word = "half_pixel", .kind = Coordinates::kHalfPixel},
    {.word = "pytorch_half_pixel", .kind = Coordinates::kPytorchHalfPixel},
    {.word = "half_pixel_symmetric", .kind = Coordinates::kHalfPixelSymmetric},
    {.word = "asymmetric", .kind = Coordinates::kAsymmetric},
    {.word = "align_corners", .kind = Coordinates::kAlignCorners},
    {.word = "tf_half_pixel_for_nn", .kind = Coordinates::kTfHalfPixelForNn},
};
constexpr Word<Rounding> kRoundings[] = {
    {.word = "round_prefer_floor", .kind = Rounding::kPreferFloor},
    {.word = "round_prefer_ceil", .kind = Rounding::kPreferCeil},
    {.word = "floor", .kind = Rounding::kFloor},
    {.word = "ceil", .kind = Rounding::kCeil},
};

constexpr int64_t kMaxScale = 4096;
// An antialiasing filter that is wider than this is no filter, but a reduction.
constexpr int64_t kMaxTaps = 1024;

void ReadScale(const Json& json, Node& node) {
  if (json.Items().size() != (node.volume ? 3 : 2))
    json.Fail(node.volume ? "must hold three fractions" : "must hold two fractions");
  size_t next = 0;
  node.scale_num.z = 1;
  for (Axis axis : kAxes) {
    if (axis == Axis::kZ && !node.volume) continue;
    const Json& fraction = json.Items()[next++];
    if (fraction.Items().size() != 2) fraction.Fail("must hold numerator and denominator");
    node.scale_num[axis] = fraction.Items()[0].Int(1, kMaxScale);
    node.scale_den[axis] = fraction.Items()[1].Int(1, kMaxScale);
  }
}

void ReadResize(const Json& json, Node& node) {
  ResizeRule& rule = node.resize;
  rule.mode = ReadWord(json.At("mode"), "resizing", kModes);
  if (json.Has("coordinates"))
    rule.coordinates = ReadWord(json.At("coordinates"), "resizing", kCoordinates);
  if (json.Has("rounding")) rule.rounding = ReadWord(json.At("rounding"), "rounding", kRoundings);
  if (json.Has("cubic_coefficient"))
    rule.cubic_coefficient = static_cast<float>(json.At("cubic_coefficient").Number());
  if (!(std::fabs(rule.cubic_coefficient) <= 16))
    json.At("cubic_coefficient").Fail("must be -16 to 16");
  if (json.Has("exclude_outside")) rule.exclude_outside = json.At("exclude_outside").Bool();
  if (json.Has("antialias")) rule.antialias = json.At("antialias").Bool();
  if (json.Has("scale")) ReadScale(json.At("scale"), node);
  if (json.Has("size")) ReadSize(json.At("size"), node);
  if (int(json.Has("scale")) + int(json.Has("size")) + int(node.inputs.size() == 2) != 1)
    json.Fail("needs one of scale, size and a second input");
}

TensorInfo InferResize(const Json& json, const Node& node, const std::vector<TensorInfo>& in) {
  if (LikeOf(node) >= 0) return {.name = {}, .channels = in[0].channels, .vector = in[1].vector};
  return InferPixels(json, node, in);
}

// On the infinite plane sizes do not matter; coordinates that ask for them have no tiles.
ResizeAxis AxisOf(const Node& node, Axis axis) {
  return {.num = node.scale_num[axis], .den = node.scale_den[axis], .in_size = 2, .out_size = 2};
}

Range ResizeInput(const Node& node, Axis axis, Range out) {
  if (axis == Axis::kZ && !node.volume) return out;
  ResizeRule rule = node.resize;
  rule.exclude_outside = false;
  const ResizeAxis of = AxisOf(node, axis);
  return {.begin = TapsOf(rule, of, out.begin).first,
          .end = TapsOf(rule, of, out.end - 1).first + TapCount(rule, of)};
}

int64_t ResizeSize(const Node& node, Axis axis, int64_t in) {
  if (node.scale_num[axis] == 0) return node.size[axis];
  return CheckedMul(in, node.scale_num[axis], "size") / node.scale_den[axis];
}

StepFactor ResizeStep(const Node& node, Axis axis) {
  return {.num = node.scale_num[axis] == 0 ? 0 : node.scale_den[axis],
          .den = std::max<int64_t>(1, node.scale_num[axis])};
}

void FewTaps(const Node& node, const TensorInfo& /*in*/, const Extent& extent,
             const Extent& /*image*/) {
  if (LikeOf(node) >= 0) return;
  for (Axis axis : kAxes) {
    const int64_t to = ResizeSize(node, axis, extent.size[axis]);
    if (node.resize.antialias && extent.size[axis] / std::max<int64_t>(1, to) > kMaxTaps / 4)
      throw Error(ErrorCode::kUnsupported,
                  "'" + node.name + "' shrinks " + std::to_string(extent.size[axis]) + " px to " +
                      std::to_string(to) + " with antialiasing, at most 256 times is supported");
  }
}

const char* StretchesWithTheImage(const Node& node) {
  if (node.scale_num.y == 0) return "resizes to a size that does not follow from a scale";
  switch (node.resize.coordinates) {
    case Coordinates::kAlignCorners:
      return "with align_corners stretches with the size of the image";
    case Coordinates::kHalfPixelSymmetric:
      return "is centred on the whole image";
    case Coordinates::kHalfPixel:
    case Coordinates::kPytorchHalfPixel:
    case Coordinates::kAsymmetric:
    case Coordinates::kTfHalfPixelForNn:
      return "";
  }
  return "";
}

}  // namespace

const OpType kResizeType = {
    .word = "resize",
    .inputs = 1,
    .optional = 1,
    .like = 1,
    .fields = kNoFields,
    .read = ReadResize,
    .infer = InferResize,
    .weight_shape = NoWeight,
    .needed_input = ResizeInput,
    .output_size = ResizeSize,
    .step = ResizeStep,
    .check_extent = FewTaps,
    .whole_image_reason = StretchesWithTheImage,
    .flops = NoFlops,
};

}  // namespace pyengine
