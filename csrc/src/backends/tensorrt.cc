// NVIDIA GPUs: TensorRT's plans behind the device tiler.
#include "backends/backends.h"
#include "cuda/cuda_device.h"
#include "cuda/cuda_driver.h"
#include "cuda/device_tiler.h"
#include "pyengine/error.h"
#include "tensorrt/open_plan.h"
#include "tensorrt/plan_network.h"
#include "tensorrt/tensorrt_library.h"

namespace pyengine {
namespace {

// Turing, says the support matrix of TensorRT and that of TensorRT for RTX.
constexpr int kOldestComputeCapability = 75;
// No TensorRT from 10.12 on comes for an older CUDA; newer libraries may ask for more.
constexpr int kOldestDriver = 12000;

constexpr int kNoGpu = -1;

// Number of the GPU that `device` names, or kNoGpu.
int GpuNumber(const std::string& device) {
  if (device == "auto" || device == "cuda") return 0;
  const std::string prefix = "cuda:";
  const std::string digits = device.starts_with(prefix) ? device.substr(prefix.size()) : "";
  if (digits.empty() || digits.size() > 4 ||
      digits.find_first_not_of("0123456789") != std::string::npos)
    return kNoGpu;
  return std::stoi(digits);
}

bool Serves(const std::string& device) {
  return GpuNumber(device) != kNoGpu;
}

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

ExecutorStatus StatusOf(TensorRtFlavour flavour, const std::vector<std::string>& folders) {
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

std::vector<ExecutorStatus> Status(const std::vector<std::string>& library_folders) {
  return {StatusOf(TensorRtFlavour::kTensorRt, library_folders),
          StatusOf(TensorRtFlavour::kRtx, library_folders)};
}

void Check(const EngineFile& file) {
  ReadStoredPlans(file.manifest.json, file.attachments);
}

std::unique_ptr<Segmenter> Open(const OpenRequest& request, EngineInfo& info) {
  const EngineFile& file = request.file;
  const EngineOptions& options = request.options;
  if (options.accuracy == Accuracy::kReproducible) {
    if (options.device == "auto") return nullptr;
    throw Error(ErrorCode::kUnsupported,
                "device '" + options.device +
                    R"(' gives other bits than the CPU, which accuracy "reproducible" rules out)");
  }
  const std::vector<StoredPlan> plans = ReadStoredPlans(file.manifest.json, file.attachments);
  // The driver is asked last: its first answer takes long, and most files hold no plan.
  if (options.device == "auto" && (plans.empty() || !FindCudaDriver().why_no_device.empty()))
    return nullptr;
  const int number = GpuNumber(options.device);
  const CudaDevice& found = RequireCudaDevice(number);
  const std::shared_ptr<Device> device = OpenCudaDevice(number);
  OpenedPlan plan;
  device->WithCurrent([&] {
    plan = OpenFittingPlan(plans, file.attachments, request.model.geometry, number,
                           options.library_folders, options.on_mismatch == OnMismatch::kRebuild);
  });
  auto tiler = std::make_unique<DeviceTiler>(device, plan.network, request.model, request.pool);
  tiler->WarmUp();
  info.device = "cuda:" + std::to_string(number);
  info.gpu =
      found.name + ", " + plan.key.flavour + " " + plan.key.version + ", " + plan.key.precision;
  info.isa = "none";
  return tiler;
}

}  // namespace

extern const Backend kTensorRtBackend{.devices = "'cuda', 'cuda:N'",
                                      .serves = Serves,
                                      .status = Status,
                                      .attachments = kPlanAttachments,
                                      .check = Check,
                                      .open = Open};

}  // namespace pyengine
