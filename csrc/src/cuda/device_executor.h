// The network of a device tiler as an executor: for windows that the host gathers.
#pragma once

#include "cuda/device_tiler.h"

namespace pyengine {

class DeviceExecutor final : public Executor {
 public:
  // `tiler` outlives it.
  DeviceExecutor(const NetworkGeometry& geometry, const DeviceTiler& tiler)
      : Executor(geometry), tiler_(tiler) {}

  void Run(const float* in, float* out, int64_t n, int64_t h, int64_t w) override {
    tiler_.Run(in, out, n, {.height = h, .width = w});
  }

 private:
  const DeviceTiler& tiler_;
};

}  // namespace pyengine
