#include "tensorrt/stored_plans.h"

namespace pyengine {

std::vector<StoredPlan> ReadStoredPlans(const Json& manifest, const Attachments& attachments) {
  std::vector<StoredPlan> plans;
  if (!manifest.Has("plans")) return plans;
  for (const Json& entry : manifest.At("plans").Items()) {
    for (const char* field : {"plan", "onnx"})
      if (const Json& name = entry.At(field); !attachments.Has(name.String()))
        name.Fail("names '" + name.String() + "', which the file does not hold");
    plans.push_back({.key = ParsePlanKey(entry.At("key")),
                     .plan = entry.At("plan").String(),
                     .onnx = entry.At("onnx").String()});
  }
  return plans;
}

}  // namespace pyengine
