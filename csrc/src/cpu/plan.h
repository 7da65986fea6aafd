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

// A storage's memory. Index (z, y, x) of a block lies at offset + block * block_floats + (z - z0) *
// slice_floats + (y - y0) * row_stride + (x - x0) * lanes, where y0 grows by every Roll.
struct Buffer {
  int64_t z0 = 0, y0 = 0, x0 = 0, slices = 1, rows = 0, columns = 0;
  // At a time; all of them, or fewer: rolling.h. Slices lie in a ring.
  int64_t slices_held = 0, rows_held = 0;
  int64_t row_stride = 0;    // [floats]
  int64_t plane_floats = 0;  // of one slice of one block
  int64_t block_floats = 0;  // distance of neighbouring blocks
  int64_t slice_floats = 0;  // distance of neighbouring slices
  bool in_file = false;      // beyond what memory holds: core/platform/file_memory.h
  int64_t offset = 0;        // in the arena, the file, or the caller's memory [floats]
  // The row in the arena that stands for all rows of slices beyond the ends, or -1.
  int64_t outside = -1;
};

struct PlaneSpec {
  int storage = 0;
  int64_t offset = 0;      // [floats] from the arena or the caller's memory
  int64_t row_stride = 0;  // [floats]
};

// What Op lacks to run at this size: what all steps have, and the step's own part.
struct OpPlan {
  int64_t depth = 1, height = 0, width = 0;          // outputs to compute (of one phase)
  size_t in_begin[kOpInputs] = {}, out_begin = 0;    // in `specs`
  size_t in_planes[kOpInputs] = {}, out_planes = 0;  // of each output slice
  Axes in_at[kOpInputs] = {};                        // input planes' index 0, in tensor indices
  Axes out_at = {}, out_step = kOnes;                // output planes', likewise
  SliceTaps slices = {};
  // Outputs along the axis of bands.
  int64_t lines(Axis band) const { return band == Axis::kZ ? depth : height; }
  int pooled_by = -1;              // the Winograd convolution that computes this pooling, or -1
  std::vector<int> borders_after;  // storages whose padding to fill now
  StepPart part;
};

// Rows of a storage of images that move to the front of its memory: `rows` of them, `by` rows up.
struct Roll {
  int storage = 0;
  int64_t by = 0, rows = 0;
};

// Rows [y_begin, y_end) of slices [z_begin, z_end) of one operation, and how threads share them.
struct Work {
  int op = 0;
  int64_t z_begin = 0, z_end = 1;
  int64_t y_begin = 0, y_end = 0;
  int64_t block_step = 1;        // of one piece
  int64_t row_pieces = 1;        // of each slice, about equal
  PatchPieces patches = {};      // Winograd: instead of rows
  bool shared_pieces = false;    // all threads on one piece of patches, some blocks each
  std::vector<Roll> rolls = {};  // before the rows are computed

  // Along the axis of bands.
  Range lines(Axis band) const {
    return band == Axis::kZ ? Range{.begin = z_begin, .end = z_end}
                            : Range{.begin = y_begin, .end = y_end};
  }
  int64_t slices() const { return z_end - z_begin; }
  int64_t rows() const { return slices() * (y_end - y_begin); }
};

// A row of one number in the arena.
struct ConstantRow {
  float value = 0;
  int64_t offset = 0, floats = 0;
};

struct Plan {
  const Program* program = nullptr;
  std::vector<Buffer> buffers;
  std::vector<OpPlan> ops;
  std::vector<Work> schedule;
  std::vector<PlaneSpec> specs;
  std::vector<Extent> extents;             // finite programs only
  std::vector<ConstantRow> constant_rows;  // written once, when the plan is taken up
  int64_t arena_floats = 0;                // activations
  int64_t file_floats = 0;                 // those that lie in a file
  int64_t scratch_floats = 0;              // per thread, behind the activations
};

// `regions`: per tensor, the part to compute (finite programs: the whole extent).
Plan MakePlan(const Program& program, const std::vector<Region>& regions, int threads);

// The same results for an image within `memory_floats`, threads' own memory included: the largest
// planes lie in a file as far as needed, with the network's input and output, and whatever can be
// is computed by bands, so that few of their rows are in use at a time.
Plan MakePlanWithin(const Program& program, const std::vector<Region>& regions, int threads,
                    int64_t memory_floats);

// A file's parts begin with a page, of whatever size the system has them.
constexpr int64_t kFileAlignFloats = int64_t(1) << 14;

}  // namespace pyengine
