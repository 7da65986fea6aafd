#include <cuda_fp16.h>

#include "cuda/cuda_check.h"
#include "cuda/cuda_device.h"

namespace pyengine {
namespace {

constexpr unsigned kThreads = 128;
// Pixels of one row that share its arithmetic; kThreads apart, so that neighbouring threads touch
// neighbouring pixels.
constexpr unsigned kPixelsPerThread = 4;

unsigned Blocks(int64_t count, unsigned per_thread = 1) {
  const int64_t per_block = int64_t(kThreads) * per_thread;
  return static_cast<unsigned>((count + per_block - 1) / per_block);
}

// Some pixels of a row of a window per thread; blocks: columns, rows, tile and channel.
template <class T>
__global__ void GatherKernel(GatherArgs args) {
  const int64_t begin = int64_t(blockIdx.x) * kThreads * kPixelsPerThread + threadIdx.x;
  const int64_t plane = blockIdx.z, channels = args.image.channels, y = blockIdx.y;
  const WindowRow row = WindowRowOf(args, plane / channels, plane % channels, y);
  T* out = static_cast<T*>(args.windows) + (plane * args.height + y) * args.width;
#pragma unroll
  for (unsigned p = 0; p < kPixelsPerThread; ++p) {
    const int64_t x = begin + p * kThreads;
    if (x < args.width) out[x] = T(GatherPixel(args, row, x));
  }
}

// Some pixels of a row of a tile per thread; blocks: columns, rows, tile.
__global__ void ScatterKernel(ScatterArgs args) {
  const int64_t begin = int64_t(blockIdx.x) * kThreads * kPixelsPerThread + threadIdx.x;
  const TileRow row = TileRowOf(args, blockIdx.z, blockIdx.y);
#pragma unroll
  for (unsigned p = 0; p < kPixelsPerThread; ++p) {
    const int64_t x = begin + p * kThreads;
    if (x < row.pixels) ScatterPixel(args, row, x);
  }
}

// One thread per pixel of a window, or of the image; blocks: columns, rows.
__global__ void BlendKernel(BlendArgs args) {
  const int64_t x = int64_t(blockIdx.x) * kThreads + threadIdx.x;
  if (x < args.width) BlendPixel(args, blockIdx.y, x);
}

__global__ void FinishBlendKernel(FinishBlendArgs args) {
  const int64_t x = int64_t(blockIdx.x) * kThreads + threadIdx.x;
  if (x < args.width) FinishBlendPixel(args, blockIdx.y, x);
}

class CudaStream final : public DeviceStream {
 public:
  // `borrowed`: the caller's stream, which stays.
  CudaStream(int device, cudaStream_t borrowed, bool owned)
      : device_(device), stream_(borrowed), owned_(owned) {
    const OnDevice on(device_);
    if (owned_)
      CudaCheck(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking),
                "cudaStreamCreateWithFlags");
    CudaCheck(cudaEventCreateWithFlags(&event_, cudaEventDisableTiming),
              "cudaEventCreateWithFlags");
  }
  ~CudaStream() override {
    cudaEventDestroy(event_);
    if (owned_) cudaStreamDestroy(stream_);
  }

  void CopyIn(void* device, const void* host, size_t bytes) override {
    const OnDevice on(device_);
    CudaCheck(cudaMemcpyAsync(device, host, bytes, cudaMemcpyHostToDevice, stream_),
              "cudaMemcpyAsync");
  }
  void CopyOut(void* host, const void* device, size_t bytes) override {
    const OnDevice on(device_);
    CudaCheck(cudaMemcpyAsync(host, device, bytes, cudaMemcpyDeviceToHost, stream_),
              "cudaMemcpyAsync");
  }
  void Gather(const GatherArgs& args) override {
    const OnDevice on(device_);
    const dim3 blocks(Blocks(args.width, kPixelsPerThread), static_cast<unsigned>(args.height),
                      static_cast<unsigned>(args.tiles.count * args.image.channels));
    if (args.half)
      GatherKernel<__half><<<blocks, kThreads, 0, stream_>>>(args);
    else
      GatherKernel<float><<<blocks, kThreads, 0, stream_>>>(args);
    CudaCheck(cudaGetLastError(), "gather kernel");
  }
  void Scatter(const ScatterArgs& args) override {
    const OnDevice on(device_);
    const dim3 blocks(Blocks(args.tiles.tile_width, kPixelsPerThread),
                      static_cast<unsigned>(args.tiles.tile_height),
                      static_cast<unsigned>(args.tiles.count));
    ScatterKernel<<<blocks, kThreads, 0, stream_>>>(args);
    CudaCheck(cudaGetLastError(), "scatter kernel");
  }
  void Blend(const BlendArgs& args) override {
    const OnDevice on(device_);
    const dim3 blocks(Blocks(args.width), static_cast<unsigned>(args.height));
    BlendKernel<<<blocks, kThreads, 0, stream_>>>(args);
    CudaCheck(cudaGetLastError(), "blend kernel");
  }
  void FinishBlend(const FinishBlendArgs& args) override {
    const OnDevice on(device_);
    const dim3 blocks(Blocks(args.width), static_cast<unsigned>(args.height));
    FinishBlendKernel<<<blocks, kThreads, 0, stream_>>>(args);
    CudaCheck(cudaGetLastError(), "kernel that divides by the weights");
  }
  void Clear(void* device, size_t bytes) override {
    const OnDevice on(device_);
    CudaCheck(cudaMemsetAsync(device, 0, bytes, stream_), "cudaMemsetAsync");
  }
  void WaitFor(DeviceStream& other) override {
    const OnDevice on(device_);
    auto& awaited = static_cast<CudaStream&>(other);
    CudaCheck(cudaEventRecord(awaited.event_, awaited.stream_), "cudaEventRecord");
    CudaCheck(cudaStreamWaitEvent(stream_, awaited.event_, 0), "cudaStreamWaitEvent");
  }
  void Synchronize() override {
    const OnDevice on(device_);
    CudaCheck(cudaStreamSynchronize(stream_), "cudaStreamSynchronize");
  }
  void* handle() override { return stream_; }

 private:
  int device_;
  cudaStream_t stream_;
  bool owned_;
  cudaEvent_t event_ = nullptr;
};

class CudaDevice final : public Device {
 public:
  explicit CudaDevice(int index) : index_(index) {
    const OnDevice on(index_);
    CudaCheck(cudaFree(nullptr), "CUDA's initialisation");
  }

  void* Allocate(size_t bytes) override {
    const OnDevice on(index_);
    void* memory = nullptr;
    CudaCheck(cudaMalloc(&memory, bytes), "cudaMalloc");
    return memory;
  }
  void Free(void* memory) noexcept override { cudaFree(memory); }
  void* AllocateHost(size_t bytes) override {
    const OnDevice on(index_);
    void* memory = nullptr;
    CudaCheck(cudaMallocHost(&memory, bytes), "cudaMallocHost");
    return memory;
  }
  void FreeHost(void* memory) noexcept override { cudaFreeHost(memory); }
  int64_t FreeBytes() override {
    const OnDevice on(index_);
    size_t free = 0, total = 0;
    CudaCheck(cudaMemGetInfo(&free, &total), "cudaMemGetInfo");
    return static_cast<int64_t>(free);
  }
  void CheckReach(const void* memory, const char* what) override {
    const OnDevice on(index_);
    cudaPointerAttributes found{};
    CudaCheck(cudaPointerGetAttributes(&found, memory), "cudaPointerGetAttributes");
    const auto refuse = [&](const std::string& place) {
      throw Error(ErrorCode::kInvalidArgument,
                  std::string(what) + " lies " + place +
                      ", the engine runs on cuda:" + std::to_string(index_) + ": copy it there");
    };
    // Pinned and managed memory is within reach of every GPU.
    if (found.type == cudaMemoryTypeUnregistered) refuse("in host memory");
    if (found.type == cudaMemoryTypeDevice && found.device != index_)
      refuse("on cuda:" + std::to_string(found.device));
  }
  void WithCurrent(const std::function<void()>& body) override {
    const OnDevice on(index_);
    body();
  }
  std::unique_ptr<DeviceStream> MakeStream() override {
    return std::make_unique<CudaStream>(index_, nullptr, true);
  }
  std::unique_ptr<DeviceStream> WrapStream(void* handle) override {
    return std::make_unique<CudaStream>(index_, static_cast<cudaStream_t>(handle), false);
  }

 private:
  int index_;
};

}  // namespace

std::shared_ptr<Device> OpenCudaDevice(int index) {
  try {
    return std::make_shared<CudaDevice>(index);
  } catch (const Error& e) {
    throw Error(ErrorCode::kUnsupported, "cuda:" + std::to_string(index) + ": " + e.what());
  }
}

}  // namespace pyengine
