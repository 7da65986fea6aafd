// Which of an engine file's plans runs on this machine.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "cuda/device.h"
#include "tensorrt/stored_plans.h"

namespace pyengine {

struct OpenedPlan {
  PlanKey key;
  std::shared_ptr<DeviceNetwork> network;
};

// The last of `plans` that fits GPU `device`, CUDA's current one, and the TensorRT library found
// here. With `rebuild`, where none fits, one is built anew from the network that is stored beside a
// plan, for this run alone. `attachments` hold the plans' bytes. Throws Error(kUnsupported): for
// each plan, what differs.
OpenedPlan OpenFittingPlan(const std::vector<StoredPlan>& plans, const Attachments& attachments,
                           const NetworkGeometry& geometry, int device,
                           const std::vector<std::string>& library_folders, bool rebuild);

}  // namespace pyengine
