#include <cuda_fp16.h>

#include "box_filter.h"
#include "cuda/cuda_check.h"

namespace pyengine {
namespace {

template <class T>
__global__ void BoxFilterKernel(const T* windows, float* logits, int64_t h, int64_t w, int radius) {
  const int64_t out_h = h - 2 * radius, out_w = w - 2 * radius;
  const int64_t x = int64_t(blockIdx.x) * blockDim.x + threadIdx.x, y = blockIdx.y;
  if (x >= out_w) return;
  const T* window = windows + blockIdx.z * h * w;
  float sum = 0;
  for (int dy = 0; dy <= 2 * radius; ++dy)
    for (int dx = 0; dx <= 2 * radius; ++dx) sum += float(window[(y + dy) * w + x + dx]);
  const int side = 2 * radius + 1;
  float* mean = logits + blockIdx.z * 2 * out_h * out_w + y * out_w + x;
  mean[0] = sum / float(side * side);
  mean[out_h * out_w] = -mean[0];
}

class BoxFilter final : public DeviceNetwork {
 public:
  BoxFilter(int radius, bool half, int64_t max_side, int max_batch)
      : radius_(radius), half_(half), max_side_(max_side), max_batch_(max_batch) {}

  struct BoxLane final : Lane {
    BoxLane(int r, bool h) : radius(r), half(h) {}
    void Run(DeviceStream& stream, const void* windows, float* logits, int64_t n, int64_t h,
             int64_t w) override {
      const dim3 blocks(unsigned((w + 127) / 128), unsigned(h - 2 * radius), unsigned(n));
      auto handle = static_cast<cudaStream_t>(stream.handle());
      if (half)
        BoxFilterKernel<<<blocks, 128, 0, handle>>>(static_cast<const __half*>(windows), logits, h,
                                                    w, radius);
      else
        BoxFilterKernel<<<blocks, 128, 0, handle>>>(static_cast<const float*>(windows), logits, h,
                                                    w, radius);
      CudaCheck(cudaGetLastError(), "box filter");
    }
    int radius;
    bool half;
  };
  std::unique_ptr<Lane> MakeLane() override { return std::make_unique<BoxLane>(radius_, half_); }
  bool half_input() const override { return half_; }
  int64_t max_height() const override { return max_side_; }
  int64_t max_width() const override { return max_side_; }
  int max_batch() const override { return max_batch_; }

 private:
  int radius_;
  bool half_;
  int64_t max_side_;
  int max_batch_;
};

}  // namespace

std::shared_ptr<DeviceNetwork> MakeBoxFilter(int radius, bool half, int64_t max_side,
                                             int max_batch) {
  return std::make_shared<BoxFilter>(radius, half, max_side, max_batch);
}

}  // namespace pyengine
