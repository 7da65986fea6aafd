#include "cpu/op_rows.h"

#include <algorithm>

#include "core/checked_math.h"

namespace pyengine {

int64_t FirstInputRow(const Op& op, const OpPlan& plan, const std::vector<UpsampleTables>& tables,
                      int64_t y) {
  switch (op.step) {
    case Step::kConv:
    case Step::kDepthwise:
    case Step::kPool:
      return y * (op.transposed ? 1 : op.stride[0]);
    case Step::kUpsample:
      return tables[plan.tables].y_index[y];
    default:
      return y;
  }
}

int64_t InputRowsEnd(const Op& op, const OpPlan& plan, const std::vector<UpsampleTables>& tables,
                     int64_t y_end) {
  switch (op.step) {
    case Step::kWinograd:
      return std::min(RoundUp(y_end, op.winograd_tile), plan.height) + 2;
    case Step::kConv:
    case Step::kDepthwise:
    case Step::kPool:
      return (y_end - 1) * (op.transposed ? 1 : op.stride[0]) +
             (op.kernel[0] - 1) * op.dilation[0] + 1;
    case Step::kUpsample:
      return tables[plan.tables].y_next[y_end - 1] + 1;
    default:
      return y_end;
  }
}

}  // namespace pyengine
