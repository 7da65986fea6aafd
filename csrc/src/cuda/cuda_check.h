// CUDA's status codes as exceptions, and its current device as a scope.
#pragma once

#include <cuda_runtime_api.h>

#include <string>

#include "pyengine/error.h"

namespace pyengine {

// Throws Error(kOutOfMemory) or Error(kInternal) with the call and what CUDA says.
inline void CudaCheck(cudaError_t status, const char* call) {
  if (status == cudaSuccess) return;
  (void)cudaGetLastError();  // the next call must not report this error once more
  throw Error(status == cudaErrorMemoryAllocation ? ErrorCode::kOutOfMemory : ErrorCode::kInternal,
              std::string(call) + ": " + cudaGetErrorString(status));
}

// CUDA's current device belongs to the caller's thread: it is put back.
class OnDevice {
 public:
  explicit OnDevice(int index) {
    CudaCheck(cudaGetDevice(&before_), "cudaGetDevice");
    CudaCheck(cudaSetDevice(index), "cudaSetDevice");
  }
  ~OnDevice() { cudaSetDevice(before_); }
  OnDevice(const OnDevice&) = delete;
  OnDevice& operator=(const OnDevice&) = delete;

 private:
  int before_ = 0;
};

}  // namespace pyengine
