// One call of a step: its planes, and the threads that share it.
#pragma once

#include <algorithm>

#include "core/checked_math.h"
#include "core/range.h"
#include "core/thread_pool.h"
#include "cpu/plan.h"

namespace pyengine {

struct StepRun {
  const Op& op;
  const OpPlan& plan;
  const Work& work;
  const Plan& all;             // operations
  Plane* planes;               // of all operations: one per PlaneSpec
  const Plane* in[kOpInputs];  // of this one
  Plane* out;
  const KernelTable& kernels;
  ThreadPool& pool;
  float* scratch;  // all threads', `scratch_stride` [floats] apart
  int64_t scratch_stride;

  int64_t out_blocks() const { return static_cast<int64_t>(op.out.size()); }
  float* Scratch(int thread) const { return scratch + thread * scratch_stride; }
};

inline Range RowPiece(const Work& work, int64_t i) {
  return EqualPart({.begin = work.y_begin, .end = work.y_end}, i, work.row_pieces);
}

// Runs body(span) over blocks x rows in the pieces that the schedule chose.
template <class F>
void ParallelSpans(const StepRun& run, F&& body) {
  const Work& work = run.work;
  const int64_t blocks = run.out_blocks(), groups = CeilDiv(blocks, work.block_step);
  run.pool.ParallelFor(groups * work.row_pieces, [&](int64_t i) {
    const Range rows = RowPiece(work, i / groups);
    const int64_t begin = i % groups * work.block_step;
    body(Span{.block_begin = begin,
              .block_end = std::min(blocks, begin + work.block_step),
              .y_begin = rows.begin,
              .y_end = rows.end,
              .x_begin = 0,
              .x_end = run.plan.width});
  });
}

}  // namespace pyengine
