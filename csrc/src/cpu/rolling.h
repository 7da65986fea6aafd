// Line buffers: planes that hold only some of their rows.
//
// A plane that is written and read within one interleaved group is never needed as a whole. It
// holds as many rows as are needed at a time; before its writer would run past their end, those
// that are still to be read move to the front. To move a few rows, in cache, is cheaper than to
// fetch fresh memory for every band and to write it back later. Of volumes, slices are held
// instead: they lie in a ring, where each is pointed at and none moves.
#pragma once

#include <vector>

#include "cpu/plan.h"

namespace pyengine {

// Sets `slices_held`, or `rows_held` and what follows from it, of the buffers that roll, and
// `rolls` of the schedule. `groups` as from GroupOps.
void RollBuffers(const Program& program, const std::vector<int>& groups, Plan& plan);

}  // namespace pyengine
