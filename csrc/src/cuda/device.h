// What the device tiler needs of a GPU. CudaDevice is one; tests bring one that runs on the host.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>

#include "cuda/tile_ops.h"

namespace pyengine {

// Work in order. Nothing here blocks but Synchronize(); all functions throw Error(kInternal) with
// what the device says.
class DeviceStream {
 public:
  virtual ~DeviceStream() = default;
  // Host memory must be a device's own (AllocateHost) and stay untouched until the copy is done.
  virtual void CopyIn(void* device, const void* host, size_t bytes) = 0;
  virtual void CopyOut(void* host, const void* device, size_t bytes) = 0;
  virtual void Gather(const GatherArgs& args) = 0;
  virtual void Scatter(const ScatterArgs& args) = 0;
  virtual void Blend(const BlendArgs& args) = 0;
  virtual void FinishBlend(const FinishBlendArgs& args) = 0;
  virtual void Clear(void* device, size_t bytes) = 0;
  // What is enqueued here from now on waits for what `other` holds by now.
  virtual void WaitFor(DeviceStream& other) = 0;
  virtual void Synchronize() = 0;
  // cudaStream_t, for the network.
  virtual void* handle() = 0;
};

class Device {
 public:
  virtual ~Device() = default;
  virtual void* Allocate(size_t bytes) = 0;  // throws Error(kOutOfMemory)
  virtual void Free(void* memory) noexcept = 0;
  virtual void* AllocateHost(size_t bytes) = 0;  // pinned
  virtual void FreeHost(void* memory) noexcept = 0;
  virtual int64_t FreeBytes() = 0;  // of device memory
  // Throws Error(kInvalidArgument) that names `what` where this device's kernels cannot reach the
  // caller's memory: a kernel that tried would end the whole context.
  virtual void CheckReach(const void* memory, const char* what) = 0;
  // Calls `body` while this is CUDA's current device.
  virtual void WithCurrent(const std::function<void()>& body) = 0;
  virtual std::unique_ptr<DeviceStream> MakeStream() = 0;
  // A stream of the caller (cudaStream_t), borrowed.
  virtual std::unique_ptr<DeviceStream> WrapStream(void* handle) = 0;
};

// Memory of a device, owned by a value; grown, never shrunk.
class DeviceBuffer {
 public:
  enum class Kind { kDevice, kPinned };
  DeviceBuffer(std::shared_ptr<Device> device, Kind kind)
      : device_(std::move(device)), kind_(kind) {}
  ~DeviceBuffer() { Release(); }
  DeviceBuffer(const DeviceBuffer&) = delete;
  DeviceBuffer& operator=(const DeviceBuffer&) = delete;

  // At least `bytes`; what it held is lost if it must grow. Nothing may be at work on it then.
  void* Grow(size_t bytes) {
    if (bytes <= size_) return data_;
    Release();
    data_ = kind_ == Kind::kDevice ? device_->Allocate(bytes) : device_->AllocateHost(bytes);
    size_ = bytes;
    return data_;
  }
  void* data() const { return data_; }
  size_t size() const { return size_; }

 private:
  void Release() noexcept {
    if (data_ == nullptr) return;
    if (kind_ == Kind::kDevice)
      device_->Free(data_);
    else
      device_->FreeHost(data_);
    data_ = nullptr;
    size_ = 0;
  }

  std::shared_ptr<Device> device_;
  Kind kind_;
  void* data_ = nullptr;
  size_t size_ = 0;
};

// The network on a device.
class DeviceNetwork {
 public:
  virtual ~DeviceNetwork() = default;
  // What one stream needs to run it: contexts of TensorRT serve one stream at a time.
  class Lane {
   public:
    virtual ~Lane() = default;
    // Enqueues `windows` (n, channels, h, w) to `logits` (n, classes, h - 2 * margin,
    // w - 2 * margin) float32, both in device memory.
    virtual void Run(DeviceStream& stream, const void* windows, float* logits, int64_t n, int64_t h,
                     int64_t w) = 0;
  };
  virtual std::unique_ptr<Lane> MakeLane() = 0;
  virtual bool half_input() const = 0;
  // Sizes that it takes: windows up to this [px], and how many at once.
  virtual int64_t max_height() const = 0;
  virtual int64_t max_width() const = 0;
  virtual int max_batch() const = 0;
};

}  // namespace pyengine
