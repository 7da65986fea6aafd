// How much work an operation is, for profiles and for the tile planner.
#pragma once

#include "cpu/program.h"
#include "pyengine/executor.h"

namespace pyengine {

// Name, algorithm, operations and bytes of `pixels` outputs (of one phase of a transposed
// convolution); no time.
OpTime DescribeOp(const Graph& graph, const Op& op, double pixels);

// Estimated time of a region of `pixels` outputs, in operations at the machine's peak rate.
double OpCost(const Graph& graph, const Op& op, double pixels);

}  // namespace pyengine
