// An NVIDIA GPU as a Device.
#pragma once

#include <memory>

#include "cuda/device.h"

namespace pyengine {

// Device `index` of those that the driver shows. Throws Error(kUnsupported) if it cannot be used.
std::shared_ptr<Device> OpenCudaDevice(int index);

}  // namespace pyengine
