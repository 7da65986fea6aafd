// Which of an engine file's plans runs on this machine.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "cuda/device.h"
#include "engine_file.h"

namespace pyengine {

struct OpenedPlan {
  PlanKey key;
  std::shared_ptr<DeviceNetwork> network;
};

// The plan stored last that fits GPU `device` and the TensorRT library found here, which must be
// CUDA's current device. With `rebuild`, where none fits, one is built anew from the network that
// is stored beside a plan, for this run alone. `file` holds its attachments. Throws
// Error(kUnsupported): for each plan, what differs.
OpenedPlan OpenFittingPlan(const EngineFile& file, const NetworkGeometry& geometry, int device,
                           const std::vector<std::string>& library_folders, bool rebuild);

}  // namespace pyengine
