#include "pyengine/executors.h"

#include "cpu/cpu_features.h"
#include "cuda/cuda_driver.h"
#include "pyengine/error.h"
#include "tensorrt/plan_network.h"
#include "tensorrt/tensorrt_library.h"

namespace pyengine {
namespace {

// Turing, says the support matrix of TensorRT and that of TensorRT for RTX.
constexpr int kOldestComputeCapability = 75;
// No TensorRT from 10.12 on comes for an older CUDA; newer libraries may ask for more.
constexpr int kOldestDriver = 12000;

std::string WhyNoDevice() {
  const CudaDriver& driver = FindCudaDriver();
  if (!driver.why_no_device.empty()) return driver.why_no_device;
  if (driver.version < kOldestDriver)
    return "the NVIDIA driver is too old: it supports CUDA " + CudaVersionText(driver.version) +
           ", " + CudaVersionText(kOldestDriver) + " is the oldest that works";
  std::string too_old;
  for (const CudaDevice& device : driver.devices) {
    const int capability = 10 * device.compute_capability[0] + device.compute_capability[1];
    if (capability >= kOldestComputeCapability) return "";
    too_old += (too_old.empty() ? "" : ", ") + device.name + " has compute capability " +
               device.CapabilityText();
  }
  return too_old + "; 7.5 is the oldest that works";
}

ExecutorStatus TensorRtStatus(TensorRtFlavour flavour, const std::vector<std::string>& folders) {
  ExecutorStatus status;
  status.name = FlavourName(flavour);
  try {
    const TensorRtLibrary found = OpenTensorRt(flavour, folders);
    status.detail = found.VersionText() + ", " + found.library.path();
  } catch (const Error& e) {
    status.why_not = status.why_no_build = e.what();
    return status;
  }
  const std::string no_device = WhyNoDevice();
  if (TensorRtHeaderMajor() == 0)
    status.why_no_build = "this build was compiled without TensorRT's headers";
  else if (flavour == TensorRtFlavour::kTensorRt)
    status.why_no_build = no_device;  // it times kernels on the GPU that the plan is for
  status.why_not =
      CanRunPlans() ? no_device : "this build was compiled without CUDA or TensorRT's headers";
  return status;
}

}  // namespace

std::vector<ExecutorStatus> ListExecutors(const std::vector<std::string>& library_folders) {
  ExecutorStatus cpu;
  cpu.name = "cpu";
  cpu.detail = SelectKernels("").isa;
  return {TensorRtStatus(TensorRtFlavour::kTensorRt, library_folders),
          TensorRtStatus(TensorRtFlavour::kRtx, library_folders), cpu};
}

}  // namespace pyengine
