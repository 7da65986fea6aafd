// The device tiler on a real GPU, with a network that needs no TensorRT.
#include "cuda/cuda_device.h"

#include <gtest/gtest.h>

#include <random>
#include <thread>

#include "box_filter.h"
#include "cuda/cuda_driver.h"
#include "cuda/device_tiler.h"
#include "pyengine/error.h"
#include "support/checked.h"
#include "tiling/tiler.h"

namespace pyengine {
namespace {

constexpr int kRadius = 3;

NetworkGeometry Geometry() {
  NetworkGeometry g;
  g.classes = 2;
  g.margin = g.halo = kRadius;
  g.alignment = 4;
  g.before = g.after = 4;
  g.size_residue = 2 * kRadius % 4;
  return g;
}

// The same filter on the host, in the same order of additions.
class HostBoxFilter final : public Executor {
 public:
  HostBoxFilter() : Executor(Geometry()) {}
  void Run(const float* in, float* out, int64_t n, int64_t h, int64_t w) override {
    const int64_t out_h = h - 2 * kRadius, out_w = w - 2 * kRadius;
    for (int64_t i = 0; i < n; ++i)
      for (int64_t y = 0; y < out_h; ++y)
        for (int64_t x = 0; x < out_w; ++x) {
          float sum = 0;
          for (int64_t dy = 0; dy <= 2 * kRadius; ++dy)
            for (int64_t dx = 0; dx <= 2 * kRadius; ++dx) sum += in[(i * h + y + dy) * w + x + dx];
          float* mean = out + i * 2 * out_h * out_w + y * out_w + x;
          mean[0] = sum / float((2 * kRadius + 1) * (2 * kRadius + 1));
          mean[out_h * out_w] = -mean[0];
        }
  }
};

class CudaDeviceTest : public testing::Test {
 protected:
  void SetUp() override {
    if (!FindCudaDriver().why_no_device.empty()) GTEST_SKIP() << FindCudaDriver().why_no_device;
    device_ = OpenCudaDevice(0);
  }

  DeviceTiler OnDevice(bool half) const {
    return {device_, MakeBoxFilter(kRadius, half, 200, 4), Model(),
            std::make_shared<ThreadPool>(2)};
  }
  static Tiler OnHost() {
    return {std::make_shared<HostBoxFilter>(), Model(), std::make_shared<ThreadPool>(2)};
  }
  static SegmentationModel Model() {
    return {.geometry = Geometry(),
            .normalisation = {{0.02f}, {-1.3f}},
            .head = Head::kSoftmax,
            .why_not_tileable = ""};
  }

  std::shared_ptr<Device> device_;
};

std::vector<uint16_t> Noise(int64_t h, int64_t w) {
  std::vector<uint16_t> image(static_cast<size_t>(h * w));
  std::mt19937 random(static_cast<uint32_t>(h + w));
  for (uint16_t& v : image) v = static_cast<uint16_t>(random() % 251);
  return image;
}

ImageView ViewOf(const std::vector<uint16_t>& image, int64_t h, int64_t w) {
  return {image.data(), PixelType::kUint16, h, w, 1, w * 2, 2, 2, 0, 0};
}

TEST_F(CudaDeviceTest, GivesTheCpuTilersLogitsBitForBit) {
  for (const auto& [h, w] : {std::pair{1, 1}, {7, 300}, {333, 251}, {700, 512}})
    for (PaddingMode padding :
         {PaddingMode::kReflect, PaddingMode::kReplicate, PaddingMode::kConstant}) {
      const std::vector<uint16_t> image = Noise(h, w);
      const int64_t pixels = int64_t(h) * w;
      std::vector<float> want(static_cast<size_t>(2 * pixels)), got(want.size());
      SegmentOptions o;
      o.padding = padding;
      OnHost().Segment(Checked(ViewOf(image, h, w)), {0, h},
                       {OutputKind::kLogits, want.data(), w, pixels, 0}, o);
      OnDevice(false).Segment(Checked(ViewOf(image, h, w)), {0, h},
                              {OutputKind::kLogits, got.data(), w, pixels, 0}, o);
      EXPECT_EQ(want, got) << h << " x " << w;
    }
}

TEST_F(CudaDeviceTest, HalfWindowsGiveTheSameLabelsButForTies) {
  const int64_t h = 500, w = 444;
  const std::vector<uint16_t> image = Noise(h, w);
  std::vector<uint8_t> want(h * w), got(h * w);
  OnHost().Segment(Checked(ViewOf(image, h, w)), {0, h},
                   {OutputKind::kLabels, want.data(), w, 0, 0}, {});
  OnDevice(true).Segment(Checked(ViewOf(image, h, w)), {0, h},
                         {OutputKind::kLabels, got.data(), w, 0, 0}, {});
  int64_t different = 0;
  for (size_t i = 0; i < want.size(); ++i) different += want[i] != got[i];
  // Rounding of the windows to 11 bits moves the mean by less than 1e-3; few means lie so near 0.
  EXPECT_LT(different, h * w / 200);
}

TEST_F(CudaDeviceTest, ManyThreadsShareOneTiler) {
  const DeviceTiler tiler = OnDevice(true);
  const int64_t h = 300, w = 280;
  const std::vector<uint16_t> image = Noise(h, w);
  std::vector<uint8_t> want(h * w);
  tiler.Segment(Checked(ViewOf(image, h, w)), {0, h}, {OutputKind::kLabels, want.data(), w, 0, 0},
                {});
  std::vector<std::thread> threads;
  for (int t = 0; t < 8; ++t)
    threads.emplace_back([&] {
      for (int repeat = 0; repeat < 20; ++repeat) {
        std::vector<uint8_t> got(h * w, 9);
        tiler.Segment(Checked(ViewOf(image, h, w)), {0, h},
                      {OutputKind::kLabels, got.data(), w, 0, 0}, {});
        EXPECT_EQ(want, got);
      }
    });
  for (std::thread& thread : threads) thread.join();
}

TEST_F(CudaDeviceTest, BlendsAsTheCpuTilerDoes) {
  const int64_t h = 400, w = 333, pixels = h * w;
  const std::vector<uint16_t> image = Noise(h, w);
  std::vector<float> want(2 * pixels), got(2 * pixels);
  SegmentOptions o;
  o.mode = TileMode::kGaussian;
  o.tile_height_px = o.tile_width_px = 128;
  OnHost().Segment(Checked(ViewOf(image, h, w)), {0, h},
                   {OutputKind::kLogits, want.data(), w, pixels, 0}, o);
  OnDevice(false).Segment(Checked(ViewOf(image, h, w)), {0, h},
                          {OutputKind::kLogits, got.data(), w, pixels, 0}, o);
  EXPECT_EQ(want, got);
}

TEST_F(CudaDeviceTest, BandsUnderAMemoryLimitEqualTheWhole) {
  const int64_t h = 900, w = 333;
  const std::vector<uint16_t> image = Noise(h, w);
  std::vector<uint8_t> want(h * w), got(h * w);
  const DeviceTiler tiler = OnDevice(true);
  tiler.Segment(Checked(ViewOf(image, h, w)), {0, h}, {OutputKind::kLabels, want.data(), w, 0, 0},
                {});
  SegmentOptions o;
  o.max_memory_bytes = 1;
  tiler.Segment(Checked(ViewOf(image, h, w)), {0, h}, {OutputKind::kLabels, got.data(), w, 0, 0},
                o);
  EXPECT_EQ(want, got);
}

TEST_F(CudaDeviceTest, KnowsWhatMemoryItReaches) {
  const std::vector<uint16_t> pageable = Noise(8, 8);
  void* here = device_->Allocate(64);
  void* pinned = device_->AllocateHost(64);
  EXPECT_NO_THROW(device_->CheckReach(static_cast<char*>(here) + 32, "the image"));
  EXPECT_NO_THROW(device_->CheckReach(pinned, "the image"));
  device_->Free(here);
  device_->FreeHost(pinned);
  try {
    device_->CheckReach(pageable.data(), "the image");
    FAIL() << "no exception";
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::kInvalidArgument);
    EXPECT_STREQ(e.what(),
                 "the image lies in host memory, the engine runs on cuda:0: copy it there");
  }
}

TEST(CudaDevice, WithoutAGpuItIsRefusedWithTheReason) {
  if (FindCudaDriver().why_no_device.empty()) GTEST_SKIP() << "this machine has a GPU";
  try {
    OpenCudaDevice(0);
    FAIL() << "no exception";
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::kUnsupported);
    EXPECT_EQ(std::string(e.what()).rfind("cuda:0: ", 0), 0u) << e.what();
  }
}

}  // namespace
}  // namespace pyengine
