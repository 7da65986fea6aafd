// One call of a step: its planes, and the threads that share it.
#pragma once

#include <algorithm>

#include "core/checked_math.h"
#include "core/range.h"
#include "core/thread_pool.h"
#include "cpu/plan.h"

namespace pyengine {

// One slice of an operation's outputs: the planes that it reads and writes.
struct SliceRun {
  int64_t z;
  const Plane* in[kOpInputs];
  Plane* out;
};

struct StepRun {
  const Op& op;
  const OpPlan& plan;
  const Work& work;
  const Plan& all;  // operations
  Plane* planes;    // of all operations: one per PlaneSpec
  const KernelTable& kernels;
  ThreadPool& pool;
  float* scratch;  // all threads', `scratch_stride` [floats] apart
  int64_t scratch_stride;

  int64_t out_blocks() const { return static_cast<int64_t>(op.out.size()); }
  SliceRun Slice(int64_t z) const {
    SliceRun slice{.z = z, .in = {}, .out = planes + plan.out_begin + z * plan.out_planes};
    for (int i = 0; i < kOpInputs; ++i)
      slice.in[i] = planes + plan.in_begin[i] + z * plan.in_planes[i];
    return slice;
  }
  float* Scratch(int thread) const { return scratch + thread * scratch_stride; }
};

// Piece i of a work's rows: some of one slice.
struct RowPiece {
  int64_t z;
  Range rows;
};
inline int64_t RowPieces(const Work& work) {
  return work.slices() * work.row_pieces;
}
inline RowPiece RowPieceAt(const Work& work, int64_t i) {
  return {.z = work.z_begin + i / work.row_pieces,
          .rows = EqualPart({.begin = work.y_begin, .end = work.y_end}, i % work.row_pieces,
                            work.row_pieces)};
}

// Runs body(slice, span) over slices x blocks x rows in the pieces that the schedule chose.
template <class F>
void ParallelSpans(const StepRun& run, F&& body) {
  const Work& work = run.work;
  const int64_t blocks = run.out_blocks(), groups = CeilDiv(blocks, work.block_step);
  run.pool.ParallelFor(groups * RowPieces(work), [&](int64_t i) {
    const auto [z, rows] = RowPieceAt(work, i / groups);
    const int64_t begin = i % groups * work.block_step;
    body(run.Slice(z), Span{.block_begin = begin,
                            .block_end = std::min(blocks, begin + work.block_step),
                            .y_begin = rows.begin,
                            .y_end = rows.end,
                            .x_begin = 0,
                            .x_end = run.plan.width});
  });
}

}  // namespace pyengine
