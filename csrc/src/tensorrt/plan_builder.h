// Builds TensorRT plans.
#pragma once

#include <string>

#include "tensorrt/plan_key.h"
#include "tensorrt/tensorrt_library.h"

namespace pyengine {

struct PlanRequest {
  std::string onnx;  // strongly typed; one input (N, C, H, W)
  std::string input_name = "image";
  int64_t channels = 1;
  PlanProfile profile;
  std::string precision;  // "fp16", "fp32" or "int8": what to call the network's types in the key
  std::string timing_cache;  // of an earlier build, or empty
  int device = 0;            // GPU that the plan is for, CUDA's current one; not used by RTX
};

struct BuiltPlan {
  PlanKey key;
  std::string bytes;
  std::string log;           // what TensorRT said, a line each
  std::string timing_cache;  // empty if this flavour keeps none
  double seconds = 0;
};

// Throws Error(kUnsupported) if this machine cannot build plans with `library` or TensorRT refuses
// the network; the message ends with the errors of the build log.
BuiltPlan BuildPlan(const TensorRtLibrary& library, const PlanRequest& request);

}  // namespace pyengine
