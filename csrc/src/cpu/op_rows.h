// Which rows of its inputs an operation reads for some rows of its output, and which rows it
// writes.
#pragma once

#include "cpu/plan.h"

namespace pyengine {

// First row, and one past the last, counted from the input planes' row 0, that outputs from `y` on
// and before `y_end` read.
int64_t FirstInputRow(const Op& op, const OpPlan& plan, const std::vector<UpsampleTables>& tables,
                      int64_t y);
int64_t InputRowsEnd(const Op& op, const OpPlan& plan, const std::vector<UpsampleTables>& tables,
                     int64_t y_end);

}  // namespace pyengine
