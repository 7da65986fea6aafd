#include "cpu/op_cost.h"

namespace pyengine {

OpTime DescribeOp(const Graph& graph, const Op& op, double pixels) {
  OpTime result;
  result.algorithm = op.step->algorithm();
  result.layer = op.node < 0 ? graph.tensors[op.in_tensor[0]].name : graph.nodes[op.node].name;
  const double weights = op.step->MultiplyAdds(op);
  result.flops = 2 * weights * pixels;
  const double read = double(op.in_channels) * op.step->InputsPerOutput();
  const double written = double(op.channels) * double(op.step->phases());
  result.bytes = 4 * (weights + pixels * (written + read));
  return result;
}

double OpCost(const Graph& graph, const Op& op, double pixels) {
  const OpTime work = DescribeOp(graph, op, pixels * op.step->RegionShare());
  return op.step->Cost(work.flops, work.bytes);
}

}  // namespace pyengine
