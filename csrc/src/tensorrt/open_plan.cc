#include "tensorrt/open_plan.h"

#include <map>

#include "cuda/cuda_driver.h"
#include "pyengine/error.h"
#include "tensorrt/plan_builder.h"
#include "tensorrt/plan_network.h"

namespace pyengine {
namespace {

// What a plan of the same network and profile must be like to run here.
PlanKey Wanted(const PlanKey& stored, const TensorRtLibrary& library, const CudaDevice& device) {
  PlanKey wanted = stored;
  wanted.version = library.VersionText();
  wanted.gpu = device.name;
  wanted.compute_capability = device.CapabilityText();
  return wanted;
}

}  // namespace

OpenedPlan OpenFittingPlan(const std::vector<StoredPlan>& plans, const Attachments& attachments,
                           const NetworkGeometry& geometry, int device,
                           const std::vector<std::string>& library_folders, bool rebuild) {
  const CudaDevice& gpu = RequireCudaDevice(device);
  const std::string name = "cuda:" + std::to_string(device);
  if (plans.empty())
    throw Error(ErrorCode::kUnsupported,
                name +
                    ": the engine file holds no TensorRT plan; add one with "
                    "pyengine build --executor tensorrt");
  std::string reasons;
  std::map<std::string, TensorRtLibrary> libraries;
  const auto note = [&](const PlanKey& key, const std::string& why) {
    reasons += (reasons.empty() ? "" : "; ") + key.flavour + " " + key.version + " " +
               key.precision + ": " + why;
  };
  for (auto plan = plans.rbegin(); plan != plans.rend(); ++plan) {
    const PlanKey& key = plan->key;
    try {
      if (libraries.count(key.flavour) == 0)
        libraries[key.flavour] = OpenTensorRt(FlavourOf(key.flavour), library_folders);
      const TensorRtLibrary& library = libraries[key.flavour];
      const std::string mismatch = Mismatch(key, Wanted(key, library, gpu));
      if (!mismatch.empty()) {
        note(key, mismatch);
        continue;
      }
      return {.key = key,
              .network = OpenPlan(library, attachments.Bytes(plan->plan), key, geometry)};
    } catch (const Error& e) {
      note(key, e.what());
    }
  }
  if (!rebuild) throw Error(ErrorCode::kUnsupported, name + ": no plan fits (" + reasons + ")");
  for (auto plan = plans.rbegin(); plan != plans.rend(); ++plan) {
    const auto library = libraries.find(plan->key.flavour);
    if (library == libraries.end()) continue;
    PlanRequest request;
    request.onnx = attachments.Bytes(plan->onnx);
    request.channels = geometry.channels;
    request.profile = plan->key.profile;
    request.precision = plan->key.precision;
    request.device = device;
    const BuiltPlan built = BuildPlan(library->second, request);
    return {.key = built.key,
            .network = OpenPlan(library->second, built.bytes, built.key, geometry)};
  }
  throw Error(ErrorCode::kUnsupported,
              name + ": no plan fits and none can be built (" + reasons + ")");
}

}  // namespace pyengine
