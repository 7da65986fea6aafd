// Processors that no kernels are written for: the portable ones run.
#include "cpu/processor.h"

namespace pyengine {

std::vector<ProcessorKernels> ListProcessorKernels() {
  return {};
}

int64_t LastLevelCacheBytes() {
  return 0;
}

}  // namespace pyengine
