// A network of one layer on the GPU: the mean of (2 * radius + 1)^2 neighbours, valid.
#pragma once

#include <memory>

#include "cuda/device.h"

namespace pyengine {

// Takes float16 windows if `half`, else float32; two classes: the mean, and its negative.
std::shared_ptr<DeviceNetwork> MakeBoxFilter(int radius, bool half, int64_t max_side,
                                             int max_batch);

}  // namespace pyengine
