#include "cpu/op_cost.h"

namespace pyengine {
namespace {

const char* StepName(Step step) {
  switch (step) {
    case Step::kWinograd:
      return "winograd";
    case Step::kConv:
      return "direct";
    case Step::kDepthwise:
      return "depthwise";
    case Step::kPool:
    case Step::kGlobalAvgPool:
      return "pool";
    case Step::kUpsample:
      return "upsample";
    case Step::kBinary:
    case Step::kAffine:
    case Step::kSoftmax:
      return "element-wise";
    case Step::kCopy:
    case Step::kFlatten:
      return "copy";
  }
  return "";
}

}  // namespace

OpTime DescribeOp(const Graph& graph, const Op& op, double pixels) {
  OpTime result;
  result.algorithm = StepName(op.step);
  result.layer = op.node < 0 ? graph.tensors[op.in_tensor[0]].name : graph.nodes[op.node].name;
  const double values[2] = {double(op.in_channels), double(op.channels)};
  double weights = 0;
  switch (op.step) {
    case Step::kWinograd:
    case Step::kConv:
    case Step::kDepthwise: {
      const double channels =
          values[0] * values[1] / double(op.node < 0 ? 1 : graph.nodes[op.node].groups);
      weights = channels * double(op.kernel[0]) * double(op.kernel[1]);
      weights *= double(op.phases);
      result.flops = 2 * weights * pixels;
      break;
    }
    default:
      break;
  }
  // Inputs seen from the outputs' side: a stride of 2 reads four pixels per output.
  const double stride = double(op.stride[0]) * double(op.stride[1]);
  const double read = op.transposed ? 1 : op.step == Step::kUpsample ? 1 / stride : stride;
  const double written = values[1] * double(op.phases);
  result.bytes = 4 * (weights + pixels * (written + values[0] * read));
  return result;
}

double OpCost(const Graph& graph, const Op& op, double pixels) {
  // Fitted to profiles: how far kernels stay below the peak, and what transforming or moving a byte
  // costs. benchmarks/cost_model.py compares with measured times.
  constexpr double kDirect = 1.25, kWinograd = 1.1, kMatrixUnit = 0.5;
  constexpr double kPerByte = 10, kPerTransformedByte = 18;
  const OpTime work = DescribeOp(graph, op, pixels);
  if (op.winograd_tile == 0) return kDirect * work.flops + kPerByte * work.bytes;
  const auto outputs = double(op.winograd_tile * op.winograd_tile);
  const double products = double(PYENGINE_WINOGRAD_POINTS(op.winograd_tile)) / (9 * outputs);
  const double product = op.winograd->matrix_unit ? kMatrixUnit : kWinograd;
  return product * products * work.flops + kPerTransformedByte * work.bytes;
}

}  // namespace pyengine
