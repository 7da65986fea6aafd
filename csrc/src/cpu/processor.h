// What this machine's processor and operating system offer. One processor_*.cc per family of
// processors implements it.
#pragma once

#include <cstdint>
#include <vector>

#include "cpu/kernels/kernels.h"

namespace pyengine {

// Kernels for an instruction set beyond the family's baseline.
struct ProcessorKernels {
  const KernelTable* table;
  bool present;                 // on this machine
  bool rounds_more = false;     // than float32: only where the caller allows it
  bool other_bits = false;      // than all other tables by default: not where they are asked for
  bool (*acquire)() = nullptr;  // what else must succeed before use
};

// All that were built for this family, best first.
std::vector<ProcessorKernels> ListProcessorKernels();

// The cache that all cores of a group share, as the CPU describes it [bytes]; 0 where it does not.
int64_t LastLevelCacheBytes();

}  // namespace pyengine
