// What operators say of their indices, against an enumeration of single taps.
#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "graph/ops/op_type.h"

namespace pyengine {
namespace {

constexpr OpKind kAllKinds[] = {
#define PYENGINE_OP(name) OpKind::k##name,
#include "graph/ops/op_list.inc"
#undef PYENGINE_OP
};

constexpr int64_t kFar = 60;  // more than any tap below reaches

// All inputs that output `i` of the operator reads on one axis, tap by tap.
std::vector<int64_t> Taps(const Node& node, Axis axis, int64_t i) {
  const int64_t k = node.kernel[axis], s = node.stride[axis], d = node.dilation[axis];
  const int64_t before = node.amounts.before[axis];
  std::vector<int64_t> taps;
  switch (node.op) {
    case OpKind::kConv:
    case OpKind::kMaxPool:
    case OpKind::kAvgPool:
    case OpKind::kPool:
    case OpKind::kMaxPoolIndices:
      for (int64_t tap = 0; tap < k; ++tap) taps.push_back(i * s - before + tap * d);
      return taps;
    case OpKind::kConvTranspose:
      // Input j meets outputs j * s + tap, less what is cut off.
      for (int64_t j = -kFar; j < kFar; ++j)
        for (int64_t tap = 0; tap < k; ++tap)
          if (j * s + tap * d - before == i) taps.push_back(j);
      return taps;
    case OpKind::kMaxUnpool:
      return {static_cast<int64_t>(std::floor(double(i + before) / double(s)))};
    case OpKind::kSpaceToDepth:
      for (int64_t pixel = 0; pixel < s; ++pixel) taps.push_back(i * s + pixel);
      return taps;
    case OpKind::kResize: {
      // Linear, to num / den as many pixels.
      const double num = double(node.scale_num[axis]), den = double(node.scale_den[axis]);
      const auto first =
          static_cast<int64_t>(std::floor(((2 * double(i) + 1) * den - num) / (2 * num)));
      return {first, first + 1};
    }
    case OpKind::kUpsampleNearest:
    case OpKind::kDepthToSpace:
      return {static_cast<int64_t>(std::floor(double(i) / double(s)))};
    case OpKind::kUpsampleBilinear: {
      if (axis == Axis::kZ && s == 1) return {i};
      const auto first = static_cast<int64_t>(std::floor((double(i) + 0.5) / double(s) - 0.5));
      return {first, first + 1};
    }
    case OpKind::kCrop:
      return {i + before};
    case OpKind::kPad:
      return {i - before};
    case OpKind::kOnnx:
      if (axis == Axis::kZ) return {i};  // of networks over images alone
      return {i - before, i + node.amounts.after[axis]};
    case OpKind::kLinear:
    case OpKind::kAffine:
    case OpKind::kActivation:
    case OpKind::kGlobalAvgPool:
    case OpKind::kConcat:
    case OpKind::kAdd:
    case OpKind::kMul:
    case OpKind::kBinary:
    case OpKind::kWhere:
    case OpKind::kFunction:
    case OpKind::kFlatten:
    case OpKind::kSoftmax:
    case OpKind::kArgMax:
    case OpKind::kReduce:
    case OpKind::kGroupNorm:
    case OpKind::kLayerNorm:
    case OpKind::kAdaptivePool:
    case OpKind::kSelect:
    case OpKind::kExpand:
    case OpKind::kConstant:
      return {i};
  }
  return taps;
}

// Outputs that a finite image of `in` pixels gives: those whose taps lie within image and padding,
// or, of enlargements, those that its pixels reach.
int64_t CountOutputs(const Node& node, Axis axis, int64_t in) {
  const int64_t before = node.amounts.before[axis];
  const int64_t after = node.amounts.after[axis];
  switch (node.op) {
    case OpKind::kConv:
    case OpKind::kMaxPool:
    case OpKind::kAvgPool:
    case OpKind::kPool:
    case OpKind::kMaxPoolIndices: {
      int64_t count = 0;
      while (Taps(node, axis, count).back() < in + after) ++count;
      // One more window that begins before the padding behind the image, if pixels are left over.
      const bool left = count == 0 || Taps(node, axis, count - 1).back() + 1 < in + after;
      if (node.ceil_mode && left && Taps(node, axis, count).front() < in) ++count;
      return count;
    }
    case OpKind::kSpaceToDepth:
      return in / node.stride[axis];
    case OpKind::kResize: {
      int64_t count = 0;
      while ((count + 1) * node.scale_den[axis] <= in * node.scale_num[axis]) ++count;
      return count;
    }
    case OpKind::kMaxUnpool:
      return (in - 1) * node.stride[axis] + node.kernel[axis] - before - after;
    case OpKind::kAdaptivePool:
    case OpKind::kConstant:
      return node.size[axis];
    case OpKind::kConvTranspose: {
      const int64_t last =
          (in - 1) * node.stride[axis] + (node.kernel[axis] - 1) * node.dilation[axis];
      return last + 1 - before - after + node.output_padding[axis];
    }
    case OpKind::kUpsampleNearest:
    case OpKind::kDepthToSpace:
    case OpKind::kUpsampleBilinear: {
      int64_t count = 0;
      while (std::floor(double(count) / double(node.stride[axis])) < double(in)) ++count;
      return count;
    }
    case OpKind::kCrop:
      return in - before - after;
    case OpKind::kPad:
      return in + before + after;
    case OpKind::kLinear:
    case OpKind::kAffine:
    case OpKind::kActivation:
    case OpKind::kGlobalAvgPool:
    case OpKind::kConcat:
    case OpKind::kAdd:
    case OpKind::kMul:
    case OpKind::kBinary:
    case OpKind::kWhere:
    case OpKind::kFunction:
    case OpKind::kFlatten:
    case OpKind::kSoftmax:
    case OpKind::kOnnx:
    case OpKind::kArgMax:
    case OpKind::kReduce:
    case OpKind::kGroupNorm:
    case OpKind::kLayerNorm:
    case OpKind::kSelect:
    case OpKind::kExpand:
      return in;
  }
  return in;
}

// Nodes with these values on `axis`, and others on the other one.
std::vector<Node> Variants(OpKind kind, Axis axis) {
  std::vector<Node> nodes;
  for (int64_t kernel : {1, 2, 3, 5})
    for (int64_t stride : {1, 2, 3})
      for (int64_t dilation : {1, 2})
        for (int64_t before : {0, 1, 3})
          for (int64_t after : {0, 2}) {
            Node node;
            node.op = kind;
            node.volume = true;
            node.kernel = {.z = 7, .y = 7, .x = 7};
            node.kernel[axis] = kernel;
            node.stride = {.z = 5, .y = 5, .x = 5};
            node.stride[axis] = stride;
            // Only convolutions have one; a file that gives it to others is refused or ignored.
            const bool dilates =
                kind == OpKind::kConv || kind == OpKind::kConvTranspose || kind == OpKind::kPool;
            node.dilation[axis] = dilates ? dilation : 1;
            node.amounts = {.before = {.z = 6, .y = 6, .x = 6}, .after = {.z = 5, .y = 5, .x = 5}};
            node.amounts.before[axis] = before;
            node.amounts.after[axis] = after;
            if (kind == OpKind::kConvTranspose) node.output_padding[axis] = stride - 1;
            node.ceil_mode = kind == OpKind::kPool && after == 2;
            node.resize.mode = ResizeRule::Mode::kLinear;
            node.scale_num[axis] = kernel;
            node.scale_den[axis] = stride;
            node.size[axis] = 4;
            nodes.push_back(node);
          }
  return nodes;
}

TEST(Ops, NeedTheInputsOfAllTaps) {
  for (OpKind kind : kAllKinds)
    for (Axis axis : kAxes)
      for (const Node& node : Variants(kind, axis))
        for (int64_t begin = -7; begin < 7; ++begin)
          for (int64_t end = begin + 1; end < begin + 8; ++end) {
            Range taps;
            for (int64_t i = begin; i < end; ++i)
              for (int64_t tap : Taps(node, axis, i)) taps.Include({tap, tap + 1});
            const Range need = TypeOf(kind).needed_input(node, axis, {begin, end});
            // Between the taps of a dilated kernel, inputs are asked for that meet zeros.
            if (kind == OpKind::kConvTranspose && node.dilation[axis] > 1) {
              ASSERT_TRUE(taps.empty() || (need.begin <= taps.begin && need.end >= taps.end));
              continue;
            }
            if (taps.empty()) {
              ASSERT_TRUE(need.empty()) << OpName(kind);
              continue;
            }
            ASSERT_EQ(need.begin, taps.begin) << OpName(kind) << " of " << begin << " to " << end;
            ASSERT_EQ(need.end, taps.end) << OpName(kind) << " of " << begin << " to " << end;
          }
}

TEST(Ops, GiveAsManyOutputsAsTapsFit) {
  for (OpKind kind : kAllKinds)
    for (Axis axis : kAxes)
      for (const Node& node : Variants(kind, axis))
        for (int64_t in : {5, 6, 7, 12, 17}) {
          const int64_t reach = (node.kernel[axis] - 1) * node.dilation[axis] + 1;
          const int64_t padding = node.amounts.before[axis] + node.amounts.after[axis];
          if (in + padding < reach) continue;
          ASSERT_EQ(TypeOf(kind).output_size(node, axis, in), CountOutputs(node, axis, in))
              << OpName(kind) << " of " << in;
        }
}

TEST(Ops, StepOnTheImageAsTheirOutputsDo) {
  for (OpKind kind : kAllKinds)
    for (Axis axis : kAxes)
      for (const Node& node : Variants(kind, axis)) {
        // Far outputs: `step` outputs further, the taps are `num / den` as many inputs further.
        const StepFactor step = TypeOf(kind).step(node, axis);
        const auto begin = [&](int64_t i) {
          return TypeOf(kind).needed_input(node, axis, {i, i + node.stride[axis]}).begin;
        };
        if (step.num == 0) continue;  // of a size that does not follow the input's
        const int64_t outputs = 6 * step.den;
        ASSERT_EQ(begin(outputs) - begin(0), 6 * step.num) << OpName(kind);
      }
}

TEST(Ops, AreFoundByTheirWords) {
  for (OpKind kind : kAllKinds) EXPECT_EQ(OpNamed(OpName(kind), false), kind);
}

}  // namespace
}  // namespace pyengine
