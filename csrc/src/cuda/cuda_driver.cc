#include "cuda/cuda_driver.h"

#include "core/platform/dynamic_library.h"
#include "pyengine/error.h"

namespace pyengine {
namespace {

// The driver API's numbers (cuda.h, stable since CUDA 4).
constexpr int kSuccess = 0;
constexpr int kErrorNoDevice = 100;
constexpr int kComputeCapabilityMajor = 75;
constexpr int kComputeCapabilityMinor = 76;
constexpr int kNameBytes = 256;

using CuDevice = int;

#if defined(_WIN32)
constexpr const char* kDriverLibrary = "nvcuda.dll";
#else
constexpr const char* kDriverLibrary = "libcuda.so.1";
#endif

class DriverApi {
 public:
  DriverApi() : library_(kDriverLibrary) {}

  CudaDriver Ask() const {
    CudaDriver driver;
    const int initialised = Function<int(unsigned)>("cuInit")(0);
    Check(Function<int(int*)>("cuDriverGetVersion")(&driver.version), "cuDriverGetVersion");
    if (initialised == kErrorNoDevice) {
      driver.why_no_device = "the NVIDIA driver sees no device";
      return driver;
    }
    Check(initialised, "cuInit");
    int count = 0;
    Check(Function<int(int*)>("cuDeviceGetCount")(&count), "cuDeviceGetCount");
    for (int i = 0; i < count; ++i) driver.devices.push_back(Device(i));
    if (count == 0) driver.why_no_device = "the NVIDIA driver sees no device";
    return driver;
  }

 private:
  template <class F>
  F* Function(const char* name) const {
    return library_.Get<F>(name);
  }

  CudaDevice Device(int index) const {
    CudaDevice device;
    CuDevice handle = 0;
    Check(Function<int(CuDevice*, int)>("cuDeviceGet")(&handle, index), "cuDeviceGet");
    char name[kNameBytes] = {};
    Check(Function<int(char*, int, CuDevice)>("cuDeviceGetName")(name, kNameBytes - 1, handle),
          "cuDeviceGetName");
    device.name = name;
    auto* attribute = Function<int(int*, int, CuDevice)>("cuDeviceGetAttribute");
    Check(attribute(&device.compute_capability[0], kComputeCapabilityMajor, handle),
          "cuDeviceGetAttribute");
    Check(attribute(&device.compute_capability[1], kComputeCapabilityMinor, handle),
          "cuDeviceGetAttribute");
    size_t bytes = 0;
    Check(Function<int(size_t*, CuDevice)>("cuDeviceTotalMem_v2")(&bytes, handle),
          "cuDeviceTotalMem");
    device.memory_bytes = static_cast<int64_t>(bytes);
    return device;
  }

  void Check(int code, const char* call) const {
    if (code == kSuccess) return;
    const char* text = nullptr;
    Function<int(int, const char**)>("cuGetErrorString")(code, &text);
    throw Error(ErrorCode::kUnsupported, std::string("the NVIDIA driver's ") + call +
                                             " failed: " + (text != nullptr ? text : "?") + " (" +
                                             std::to_string(code) + ")");
  }

  DynamicLibrary library_;
};

}  // namespace

const CudaDriver& FindCudaDriver() {
  static const CudaDriver driver = [] {
    try {
      return DriverApi().Ask();
    } catch (const Error& e) {
      CudaDriver none;
      none.why_no_device = std::string("no NVIDIA driver: ") + e.what();
      return none;
    }
  }();
  return driver;
}

const CudaDevice& RequireCudaDevice(int index) {
  const CudaDriver& driver = FindCudaDriver();
  const std::string name = "cuda:" + std::to_string(index);
  if (!driver.why_no_device.empty())
    throw Error(ErrorCode::kUnsupported, name + ": " + driver.why_no_device);
  if (index < 0 || index >= static_cast<int>(driver.devices.size()))
    throw Error(ErrorCode::kUnsupported,
                name + ": this machine has " + std::to_string(driver.devices.size()) + " GPU(s)");
  return driver.devices[index];
}

std::string CudaDevice::CapabilityText() const {
  return std::to_string(compute_capability[0]) + "." + std::to_string(compute_capability[1]);
}

std::string CudaVersionText(int version) {
  return std::to_string(version / 1000) + "." + std::to_string(version % 1000 / 10);
}

}  // namespace pyengine
