// CUDA's status codes as exceptions.
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

}  // namespace pyengine
