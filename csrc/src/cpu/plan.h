// A program for one size: where every storage lies in the arena, and where every plane begins.
//
// Plans are translation invariant: a tile of the same size elsewhere has the same plan, because
// tile origins are multiples of the network's alignment.
#pragma once

#include <cstdint>
#include <vector>

#include "cpu/program.h"
#include "cpu/tile_pieces.h"
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

struct UpsampleTables {
  std::vector<int64_t> y_index, y_next, x_index, x_next;
  std::vector<float> y_weight, x_weight;
};

// What Op lacks to run at this size.
struct OpPlan {
  int64_t height = 0, width = 0;  // outputs to compute (of one phase)
  size_t in_begin[2] = {0, 0}, in_count[2] = {0, 0}, out_begin = 0, out_count = 0;  // in `specs`
  int64_t in_height = 0, in_width = 0;            // whole input plane
  int64_t valid[2][2] = {{0, 0}, {0, 0}};         // kPool: [axis][begin, end)
  int tables = -1;                                // kUpsample
  int64_t in_row[2] = {0, 0};                     // input planes' row 0, in tensor indices
  int64_t out_row = 0, out_row_step = 1;          // output planes' rows, likewise
  int64_t in_column[2] = {0, 0}, out_column = 0;  // planes' column 0, likewise
  int64_t tile_columns = 0;                       // kWinograd: tiles per row of tiles
  int pooled_by = -1;              // kPool: the operation that computes it on its way
  int pools = -1;                  // kWinograd: the pooling it computes on its way
  int64_t pool_at[2] = {0, 0};     // the first window, in this operation's outputs
  std::vector<int> borders_after;  // storages whose made-up pixels to fill now
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
  TilePieces tiles = {};         // kWinograd: instead of rows
  bool shared_pieces = false;    // all threads on one piece of tiles, some blocks each
  std::vector<Roll> rolls = {};  // before the rows are computed
};

struct Plan {
  const Program* program = nullptr;
  std::vector<Buffer> buffers;
  std::vector<OpPlan> ops;
  std::vector<Work> schedule;
  std::vector<PlaneSpec> specs;
  std::vector<UpsampleTables> tables;
  std::vector<Extent> extents;  // finite programs only
  int64_t arena_floats = 0;     // activations
  int64_t scratch_floats = 0;   // per thread, behind the activations
};

// `regions`: per tensor, the part to compute (finite programs: the whole extent).
Plan MakePlan(const Graph& graph, const Program& program, const std::vector<Region>& regions,
              int threads);

}  // namespace pyengine
