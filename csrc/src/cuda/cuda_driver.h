// What the NVIDIA driver says of this machine, without any CUDA library at build time.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace pyengine {

struct CudaDevice {
  std::string name;
  int compute_capability[2] = {0, 0};  // major, minor
  int64_t memory_bytes = 0;
  std::string CapabilityText() const;  // "9.0"
};

struct CudaDriver {
  int version = 0;  // CUDA version the driver supports, 1000 * major + 10 * minor; 0 = no driver
  std::vector<CudaDevice> devices;  // CUDA_VISIBLE_DEVICES decides on them and their order
  std::string why_no_device;        // empty if there are devices
};

// Asks once per process; later calls return the first answer.
const CudaDriver& FindCudaDriver();

// Device `index`; throws Error(kUnsupported) with the reason if there is none.
const CudaDevice& RequireCudaDevice(int index);

// "13.0" for 13000.
std::string CudaVersionText(int version);

}  // namespace pyengine
