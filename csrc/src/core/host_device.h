// Functions that kernels on the GPU and code on the host share.
#pragma once

#ifdef __CUDACC__
#define PYENGINE_HOST_DEVICE __host__ __device__
#else
#define PYENGINE_HOST_DEVICE
#endif
