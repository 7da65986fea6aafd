// In place of plan_builder.cc where TensorRT's headers were missing.
#include "pyengine/error.h"
#include "tensorrt/plan_builder.h"

namespace pyengine {

int TensorRtHeaderMajor() {
  return 0;
}

BuiltPlan BuildPlan(const TensorRtLibrary&, const PlanRequest&) {
  throw Error(ErrorCode::kUnsupported,
              "this build was compiled without TensorRT's headers and cannot build plans");
}

}  // namespace pyengine
