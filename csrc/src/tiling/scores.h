// Logits to what the caller asked for.
#pragma once

#include <cstdint>

#include "graph/head.h"
#include "pyengine/options.h"

namespace pyengine {

// Where results go. `data` is row `first_row`, column `first_column` of the destination: uint8
// labels with rows `row_stride` values apart, or float planes `plane_stride` apart.
struct OutputView {
  OutputKind kind = OutputKind::kLabels;
  void* data = nullptr;
  int64_t row_stride = 0;    // [values]
  int64_t plane_stride = 0;  // [values]
  int64_t first_row = 0;
  int64_t first_column = 0;
};

// One row of logits, `classes` planes `logit_stride` apart, to row y, columns [x, x + width).
// Labels: as LabelOf().
void WriteScores(const float* logits, int64_t logit_stride, int64_t classes, Head head,
                 const OutputView& out, int64_t y, int64_t x, int64_t width);

// Applies the head in place to `count` values in each of `classes` planes `stride` apart.
void ApplyHead(float* values, int64_t stride, int64_t classes, int64_t count, Head head);

}  // namespace pyengine
