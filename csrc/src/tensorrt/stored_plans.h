// The TensorRT plans that an engine file holds.
#pragma once

#include <string>
#include <vector>

#include "file/attachments.h"
#include "tensorrt/plan_key.h"

namespace pyengine {

constexpr const char* kPlanAttachments = "plan/";  // how the names of their attachments begin

struct StoredPlan {
  PlanKey key;
  std::string plan, onnx;  // names of attachments
};

// Those that the manifest names, in the order in which they were stored. Throws
// Error(kBadEngineFile) naming the field of a key that is bad, or the attachment that is missing.
std::vector<StoredPlan> ReadStoredPlans(const Json& manifest, const Attachments& attachments);

}  // namespace pyengine
