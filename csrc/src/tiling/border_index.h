// Which pixel stands for one beyond the image.
#pragma once

#include <cstdint>

#include "core/host_device.h"
#include "pyengine/options.h"

namespace pyengine {

// The index inside [0, size) that stands for index i of the endless line; -1 for kConstant
// outside. Reflection repeats with period 2 * (size - 1) and does not repeat the edge pixel, as
// numpy.pad(mode="reflect"), also when the padding exceeds the image; one pixel repeats itself.
PYENGINE_HOST_DEVICE inline int64_t BorderIndex(int64_t i, int64_t size, PaddingMode mode) {
  if (i >= 0 && i < size) return i;
  if (mode == PaddingMode::kConstant) return -1;
  if (mode == PaddingMode::kReplicate) return i < 0 ? 0 : size - 1;
  if (size == 1) return 0;
  const int64_t period = 2 * (size - 1);
  int64_t folded = i % period;
  if (folded < 0) folded += period;
  return folded < size ? folded : period - folded;
}

}  // namespace pyengine
