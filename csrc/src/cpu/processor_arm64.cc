// 64-bit ARM. Every operating system for it demands Advanced SIMD with fused multiply-adds, and
// compilers use it unasked: there is nothing to detect before its kernels run.
#include "core/platform/processors.h"
#include "cpu/processor.h"

namespace pyengine {

std::vector<ProcessorKernels> ListProcessorKernels() {
  return {{.table = &kNeonKernels, .present = true}};
}

// Programs may not ask the processor itself.
int64_t LastLevelCacheBytes() {
  return LargestListedCacheBytes();
}

}  // namespace pyengine
