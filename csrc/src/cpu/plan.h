// A program for one size: where every storage lies in the arena, and where every plane begins.
//
// Plans are translation invariant: a tile of the same size elsewhere has the same plan, because
// tile origins are multiples of the network's alignment.
#pragma once

#include <cstdint>
#include <vector>

#include "cpu/patch_pieces.h"
#include "cpu/program.h"
#include "graph/geometry.h"

namespace pyengine {

// A storage's memory. Index (y, x) lies at offset + (y - y0) * row_stride + (x - x0) * lanes, where
// y0 grows by every Roll.
struct Buffer {
  int64_t y0 = 0, x0 = 0, rows = 0, columns = 0;
  int64_t rows_held = 0;     // at a time; all of them, or fewer: rolling.h
  int64_t row_stride = 0;    // [floats]
  int64_t plane_floats = 0;  // distance of neighbouring blocks
  int64_t offset = 0;        // in the arena, or in the caller's memory [floats]
};

struct PlaneSpec {
  int storage = 0;
  int64_t offset = 0;      // [floats] from the arena or the caller's memory
  int64_t row_stride = 0;  // [floats]
};

// What Op lacks to run at this size: what all steps have, and the step's own part.
struct OpPlan {
  int64_t height = 0, width = 0;                      // outputs to compute (of one phase)
  size_t in_begin[kOpInputs] = {}, out_begin = 0;     // in `specs`
  int64_t in_row[kOpInputs] = {};                     // input planes' row 0, in tensor indices
  int64_t out_row = 0, out_row_step = 1;              // output planes' rows, likewise
  int64_t in_column[kOpInputs] = {}, out_column = 0;  // planes' column 0, likewise
  int pooled_by = -1;              // the Winograd convolution that computes this pooling, or -1
  std::vector<int> borders_after;  // storages whose padding to fill now
  StepPart part;
};

// Rows of a storage that move to the front of its memory: `rows` of them, `by` rows up.
struct Roll {
  int storage = 0;
  int64_t by = 0, rows = 0;
};

// Rows [y_begin, y_end) of one operation, and how threads share them.
struct Work {
  int op = 0;
  int64_t y_begin = 0, y_end = 0;
  int64_t block_step = 1;        // of one piece
  int64_t row_pieces = 1;        // about equal
  PatchPieces patches = {};      // Winograd: instead of rows
  bool shared_pieces = false;    // all threads on one piece of patches, some blocks each
  std::vector<Roll> rolls = {};  // before the rows are computed
};

struct Plan {
  const Program* program = nullptr;
  std::vector<Buffer> buffers;
  std::vector<OpPlan> ops;
  std::vector<Work> schedule;
  std::vector<PlaneSpec> specs;
  std::vector<Extent> extents;  // finite programs only
  int64_t arena_floats = 0;     // activations
  int64_t scratch_floats = 0;   // per thread, behind the activations
};

// `regions`: per tensor, the part to compute (finite programs: the whole extent).
Plan MakePlan(const Program& program, const std::vector<Region>& regions, int threads);

}  // namespace pyengine
