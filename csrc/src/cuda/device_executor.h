// The network of a device tiler as an executor: for calls that bring their own windows.
#pragma once

#include <memory>

#include "cuda/device_tiler.h"

namespace pyengine {

class DeviceExecutor final : public Executor {
 public:
  DeviceExecutor(const NetworkGeometry& geometry, std::shared_ptr<const DeviceTiler> tiler)
      : Executor(geometry), tiler_(std::move(tiler)) {}

  void Run(const float* in, float* out, int64_t n, int64_t h, int64_t w) override {
    tiler_->Run(in, out, n, h, w);
  }

 private:
  std::shared_ptr<const DeviceTiler> tiler_;
};

}  // namespace pyengine
