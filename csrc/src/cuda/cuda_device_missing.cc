// In place of cuda_device.cu where nvcc was missing.
#include "cuda/cuda_device.h"
#include "pyengine/error.h"

namespace pyengine {

std::shared_ptr<Device> OpenCudaDevice(int) {
  throw Error(ErrorCode::kUnsupported, "this build was compiled without CUDA");
}

}  // namespace pyengine
