// Operators that take each number by itself, and are too rare for kernels of their own: functions
// of the C library, and a choice between two numbers.
#pragma once

#include <cstdint>

#include "cpu/kernels/kernels.h"
#include "graph/graph.h"

namespace pyengine {

// Rows [y_begin, y_end) of one block whose first `lanes` lanes are channels; the others become 0.
void FunctionRows(FunctionKind kind, float alpha, const Plane& in, const Plane& out, int64_t lanes,
                  int64_t width, int64_t y_begin, int64_t y_end);

// A plane of one block, or a single pixel (pixel and row stride 0), or one channel for all lanes.
struct Choice {
  Plane plane;
  int64_t pixel_stride;  // [floats] kBlock or 0
  bool one_channel;
};
// condition > 0 ? a : b, of rows [y_begin, y_end) of one block.
void WhereRows(const Choice& condition, const Choice& a, const Choice& b, const Plane& out,
               int64_t width, int64_t y_begin, int64_t y_end);

}  // namespace pyengine
