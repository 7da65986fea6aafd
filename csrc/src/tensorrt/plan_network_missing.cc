// In place of plan_network.cc where TensorRT's headers or CUDA were missing.
#include "pyengine/error.h"
#include "tensorrt/plan_network.h"

namespace pyengine {

bool CanRunPlans() {
  return false;
}

std::shared_ptr<DeviceNetwork> OpenPlan(const TensorRtLibrary&, const std::string&, const PlanKey&,
                                        const NetworkGeometry&) {
  throw Error(
      ErrorCode::kUnsupported,
      "this build was compiled without CUDA or without TensorRT's headers and runs no plans");
}

}  // namespace pyengine
