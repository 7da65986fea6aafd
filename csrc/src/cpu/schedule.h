// In which order the rows of operations are computed; of volumes, whole slices.
//
// Planes of high resolution do not fit the caches: an operation that reads a plane only after all
// of it was written reads it from memory. Operations that follow each other at one resolution are
// therefore interleaved: some rows of the last one, before them what those rows need of the others.
// No row is computed twice, and no result depends on the order.
#pragma once

#include <vector>

#include "cpu/plan.h"

namespace pyengine {

int64_t StorageBytes(const Storage& storage, const Buffer& buffer);

// Planes of fewer bytes stay in the last-level cache until they are read, without interleaving.
int64_t InterleavedBytes();

// Per operation, the number of its group: operations of one group are interleaved, groups follow
// each other. `buffers`: one per storage.
std::vector<int> GroupOps(const Program& program, const std::vector<Buffer>& buffers);

// The rows of all operations in order, and how `threads` threads share them. `banded`: operations
// that are alone in their group are computed by bands, too.
std::vector<Work> MakeSchedule(const Program& program, const Plan& plan,
                               const std::vector<int>& groups, int threads, bool banded);

}  // namespace pyengine
