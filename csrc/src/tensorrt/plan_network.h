// A TensorRT plan at work, as the network of the device tiler.
#pragma once

#include <memory>
#include <string>

#include "cuda/device.h"
#include "tensorrt/plan_key.h"
#include "tensorrt/tensorrt_library.h"

namespace pyengine {

// Whether this build can run plans: it needs CUDA and TensorRT's headers.
bool CanRunPlans();

// Every lane has an execution context of its own, and a CUDA graph for each (batch, size, buffers)
// it has met. Throws Error(kUnsupported) if TensorRT refuses the plan on the current device, with
// what it says.
std::shared_ptr<DeviceNetwork> OpenPlan(const TensorRtLibrary& library, const std::string& plan,
                                        const PlanKey& key, const NetworkGeometry& geometry);

}  // namespace pyengine
