#include "cuda/device_tiler.h"

#include <gtest/gtest.h>

#include <random>
#include <string>

#include "pyengine/error.h"
#include "support/checked.h"
#include "support/host_device.h"
#include "support/identity_executor.h"
#include "tiling/tiler.h"

namespace pyengine {
namespace {

template <class T>
struct Pixels {
  Pixels(PixelType type, int64_t h, int64_t w, int64_t c) : values(static_cast<size_t>(h * w * c)) {
    std::mt19937 random(static_cast<uint32_t>(h * 1000 + w));
    for (T& v : values) v = static_cast<T>(random() % 251);
    const auto s = static_cast<int64_t>(sizeof(T));
    view = {values.data(), type, h, w, c, w * c * s, c * s, s, 0, 0};
  }
  std::vector<T> values;
  ImageView view;
};

Normalisation Scales(int64_t channels) {
  Normalisation n;
  for (int64_t c = 0; c < channels; ++c) {
    n.gain.push_back(0.03f + 0.01f * static_cast<float>(c));
    n.offset.push_back(-1.7f + static_cast<float>(c));
  }
  return n;
}

// The same network behind both tilers. Its logits are the normalised channels, so every pixel that
// is gathered or written at the wrong place shows.
struct Both {
  Both(int64_t halo, int64_t alignment, int64_t margin, int64_t channels, int64_t max_side,
       int max_batch, Head head = Head::kSoftmax, uint32_t seed = 1)
      : executor(std::make_shared<IdentityExecutor>(halo, alignment, margin, channels)),
        device(std::make_shared<HostDevice>(seed)),
        tiler(executor, Model(head), std::make_shared<ThreadPool>(1)),
        on_device(device, std::make_shared<HostNetwork>(executor, max_side, max_batch), Model(head),
                  std::make_shared<ThreadPool>(1)) {}

  SegmentationModel Model(Head head) const {
    return {.geometry = executor->geometry(),
            .normalisation = Scales(executor->geometry().channels),
            .head = head,
            .why_not_tileable = ""};
  }

  template <class T>
  void ExpectEqual(const ImageView& image, OutputKind kind, const SegmentOptions& o) {
    const bool labels = kind == OutputKind::kLabels;
    const int64_t pixels = image.height * image.width;
    const auto count = static_cast<size_t>(labels ? pixels : pixels * executor->geometry().classes);
    std::vector<T> want(count, T{7}), got(count, T{9});
    const OutputView to{kind, want.data(), image.width, pixels, 0};
    SegmentOptions cpu;
    cpu.padding = o.padding;
    if (o.mode != TileMode::kExact) {
      tiler.Segment(Checked(image), {.begin = 0, .end = image.height}, to, o);
      on_device.Segment(Checked(image), {0, image.height},
                        {kind, got.data(), image.width, pixels, 0}, o);
      ASSERT_EQ(want, got) << image.height << " x " << image.width << " blended";
      return;
    }
    tiler.Segment(Checked(image), {.begin = 0, .end = image.height}, to, cpu);
    on_device.Segment(Checked(image), {0, image.height}, {kind, got.data(), image.width, pixels, 0},
                      o);
    ASSERT_EQ(want, got) << image.height << " x " << image.width << " tile " << o.tile_height_px;
  }

  std::shared_ptr<IdentityExecutor> executor;
  std::shared_ptr<HostDevice> device;
  Tiler tiler;
  DeviceTiler on_device;
};

TEST(DeviceTiler, GivesWhatTheCpuTilerGives) {
  for (int64_t h : {1, 2, 7, 33, 70})
    for (int64_t w : {1, 5, 32, 61})
      for (int64_t alignment : {1, 4, 16})
        for (int64_t margin : {0, 12})
          for (PaddingMode padding :
               {PaddingMode::kReflect, PaddingMode::kReplicate, PaddingMode::kConstant}) {
            Both both(margin + 2 * alignment, alignment, margin, 2, 136, 3, Head::kSoftmax,
                      static_cast<uint32_t>(h * w));
            const Pixels<uint8_t> image(PixelType::kUint8, h, w, 2);
            for (int64_t tile : {0, 5, 30}) {
              SegmentOptions o;
              o.tile_height_px = o.tile_width_px = tile;
              o.padding = padding;
              both.ExpectEqual<uint8_t>(image.view, OutputKind::kLabels, o);
              both.ExpectEqual<float>(image.view, OutputKind::kProbabilities, o);
            }
          }
}

TEST(DeviceTiler, TakesEveryPixelTypeChannelCountAndStride) {
  const auto check = [](const auto& image, int64_t channels, Head head) {
    Both both(8, 4, 0, channels, 48, 2, head);
    both.ExpectEqual<float>(image.view, OutputKind::kLogits, {});
    both.ExpectEqual<float>(image.view, OutputKind::kProbabilities, {});
    both.ExpectEqual<uint8_t>(image.view, OutputKind::kLabels, {});
  };
  check(Pixels<uint8_t>(PixelType::kUint8, 50, 43, 1), 1, Head::kSigmoid);
  check(Pixels<uint16_t>(PixelType::kUint16, 50, 43, 3), 3, Head::kSoftmax);
  check(Pixels<float>(PixelType::kFloat32, 50, 43, 5), 5, Head::kNone);
  // Planes instead of interleaved channels, upside down.
  Pixels<uint16_t> image(PixelType::kUint16, 40, 30, 2);
  ImageView& v = image.view;
  v.row_stride_bytes = -30 * 2, v.pixel_stride_bytes = 2, v.channel_stride_bytes = 40 * 30 * 2;
  v.data = image.values.data() + 39 * 30;
  check(image, 2, Head::kSoftmax);
}

TEST(DeviceTiler, OneCopyInOneCopyOutOneWait) {
  Both both(8, 4, 0, 1, 48, 2);
  HostDevice& device = *both.device;
  const Pixels<uint8_t> image(PixelType::kUint8, 200, 150, 1);
  std::vector<uint8_t> labels(200 * 150);
  const OutputView out{.kind = OutputKind::kLabels,
                       .data = labels.data(),
                       .row_stride = 150,
                       .plane_stride = 0,
                       .first_row = 0};
  both.on_device.Segment(Checked(image.view), {.begin = 0, .end = 200}, out, {});
  device.copies_in = device.copies_out = device.synchronizations = device.allocations = 0;
  both.on_device.Segment(Checked(image.view), {.begin = 0, .end = 200}, out, {});
  EXPECT_EQ(device.copies_in, 1);
  EXPECT_EQ(device.copies_out, 1);
  EXPECT_EQ(device.synchronizations, 1);
  EXPECT_EQ(device.allocations, 0) << "nothing is allocated once an image of this size was seen";
}

TEST(DeviceTiler, ImagesLargerThanTheMemoryGoByBands) {
  for (PaddingMode padding : {PaddingMode::kReflect, PaddingMode::kReplicate}) {
    Both both(24, 4, 0, 2, 80, 2);
    const Pixels<uint16_t> image(PixelType::kUint16, 190, 60, 2);
    SegmentOptions o;
    o.padding = padding;
    o.max_memory_bytes = 1;  // one row of tiles at a time
    both.ExpectEqual<float>(image.view, OutputKind::kProbabilities, o);
    EXPECT_GT(both.device->copies_out, 3);
    const int64_t rows = both.on_device.Plan(190, 60, o).tiles_down;
    EXPECT_EQ(both.device->copies_out, rows);
  }
}

TEST(DeviceTiler, BandsOfRowsEqualTheWhole) {
  Both both(24, 4, 0, 1, 80, 2);
  const Pixels<uint8_t> image(PixelType::kUint8, 190, 60, 1);
  std::vector<uint8_t> whole(190 * 60), band(190 * 60, 9);
  both.on_device.Segment(Checked(image.view), {.begin = 0, .end = 190},
                         {.kind = OutputKind::kLabels,
                          .data = whole.data(),
                          .row_stride = 60,
                          .plane_stride = 0,
                          .first_row = 0},
                         {});
  const int64_t step = 2 * both.on_device.Plan(190, 60, {}).tile.height;
  for (int64_t begin = 0; begin < 190; begin += step) {
    const int64_t end = std::min<int64_t>(190, begin + step);
    const Range rows = both.on_device.BandRows(190, 60, {.begin = begin, .end = end}, {});
    ImageView view = image.view;
    view.data = image.values.data() + rows.begin * 60;
    view.first_row = rows.begin, view.rows = rows.size();
    both.on_device.Segment(Checked(view), {.begin = begin, .end = end},
                           {.kind = OutputKind::kLabels,
                            .data = band.data() + begin * 60,
                            .row_stride = 60,
                            .plane_stride = 0,
                            .first_row = begin},
                           {});
    if (begin == 0) continue;
    view.first_row += 1;
    EXPECT_THROW(both.on_device.Segment(Checked(view), {begin, end},
                                        {OutputKind::kLabels, band.data(), 60, 0, begin}, {}),
                 Error);
  }
  EXPECT_EQ(whole, band);
}

TEST(DeviceTiler, BlendsAsTheCpuTilerDoes) {
  for (int64_t h : {1, 20, 70})
    for (int64_t w : {5, 61})
      for (int64_t margin : {0, 8})
        for (TileMode mode : {TileMode::kConstant, TileMode::kGaussian}) {
          Both both(margin + 8, 4, margin, 2, 64, 3);
          const Pixels<uint16_t> image(PixelType::kUint16, h, w, 2);
          SegmentOptions o;
          o.mode = mode;
          o.overlap = 0.5;
          o.tile_height_px = 24, o.tile_width_px = 32;
          both.ExpectEqual<float>(image.view, OutputKind::kLogits, o);
          both.ExpectEqual<float>(image.view, OutputKind::kProbabilities, o);
          both.ExpectEqual<uint8_t>(image.view, OutputKind::kLabels, o);
        }
}

TEST(DeviceTiler, BlendingRefusesWhatDoesNotFitAndSurvivesACancel) {
  Both both(8, 4, 0, 1, 48, 2);
  const Pixels<uint8_t> image(PixelType::kUint8, 100, 90, 1);
  std::vector<uint8_t> labels(100 * 90);
  const OutputView out{.kind = OutputKind::kLabels,
                       .data = labels.data(),
                       .row_stride = 90,
                       .plane_stride = 0,
                       .first_row = 0};
  SegmentOptions o;
  o.mode = TileMode::kGaussian;
  o.max_memory_bytes = 1000;
  EXPECT_THROW(both.on_device.Segment(Checked(image.view), {0, 100}, out, o), Error);
  o.max_memory_bytes = 0;
  o.overlap = 48;
  EXPECT_THROW(both.on_device.Segment(Checked(image.view), {0, 100}, out, o), Error);
  o.overlap = 0.25;
  o.tile_height_px = 49;
  EXPECT_THROW(both.on_device.Segment(Checked(image.view), {0, 100}, out, o), Error);
  o.tile_height_px = 0;
  o.progress = [](int64_t, int64_t) { return false; };
  EXPECT_THROW(both.on_device.Segment(Checked(image.view), {0, 100}, out, o), Error);
  SegmentOptions exact;
  both.ExpectEqual<uint8_t>(image.view, OutputKind::kLabels, exact);
}

TEST(DeviceTiler, RunIsTheNetworkItself) {
  Both both(16, 4, 8, 2, 64, 2);
  const int64_t h = 44, w = 36, n = 5;
  std::vector<float> in(static_cast<size_t>(n * 2 * h * w));
  std::mt19937 random(5);
  for (float& v : in) v = static_cast<float>(random() % 1000) / 7;
  std::vector<float> want(static_cast<size_t>(n * 2 * (h - 16) * (w - 16))), got(want.size());
  both.executor->Run(in.data(), want.data(), n, h, w);
  both.on_device.Run(in.data(), got.data(), n, {.height = h, .width = w});
  EXPECT_EQ(want, got);
  EXPECT_THROW(both.on_device.Run(in.data(), got.data(), 1, {.height = 68, .width = 36}), Error);
}

TEST(DeviceTiler, RowsOfTheDestinationMayLieApart) {
  Both both(8, 4, 0, 1, 48, 2);
  const Pixels<uint8_t> image(PixelType::kUint8, 30, 20, 1);
  std::vector<uint8_t> dense(30 * 20), apart(30 * 32, 77);
  both.on_device.Segment(Checked(image.view), {.begin = 0, .end = image.view.height},
                         {.kind = OutputKind::kLabels,
                          .data = dense.data(),
                          .row_stride = 20,
                          .plane_stride = 0,
                          .first_row = 0},
                         {});
  both.on_device.Segment(Checked(image.view), {.begin = 0, .end = image.view.height},
                         {.kind = OutputKind::kLabels,
                          .data = apart.data(),
                          .row_stride = 32,
                          .plane_stride = 0,
                          .first_row = 0},
                         {});
  for (int64_t y = 0; y < 30; ++y)
    for (int64_t x = 0; x < 32; ++x) ASSERT_EQ(apart[y * 32 + x], x < 20 ? dense[y * 20 + x] : 77);
}

TEST(DeviceTiler, OnTheDeviceItWaitsForTheCallersStreamAndTheStreamForIt) {
  for (uint32_t seed = 1; seed < 20; ++seed) {
    Both both(8, 4, 0, 1, 48, 2, Head::kSigmoid, seed);
    HostDevice& device = *both.device;
    const Pixels<uint8_t> image(PixelType::kUint8, 100, 90, 1);
    std::vector<uint8_t> want(100 * 90), got(100 * 90, 9);
    both.on_device.Segment(Checked(image.view), {.begin = 0, .end = image.view.height},
                           {.kind = OutputKind::kLabels,
                            .data = want.data(),
                            .row_stride = 90,
                            .plane_stride = 0,
                            .first_row = 0},
                           {});
    // The caller's stream writes the image first, and reads the labels afterwards.
    std::vector<uint8_t> late(100 * 90, 0), labels(100 * 90, 9);
    const auto caller = device.MakeStream();
    auto& stream = dynamic_cast<HostDevice::Stream&>(*caller);
    ImageView view = image.view;
    view.data = late.data();
    for (int repeat = 0; repeat < 3; ++repeat) {
      stream.Push([&] { late = image.values; });
      device.synchronizations = 0;
      both.on_device.SegmentOnDevice(Checked(view),
                                     {.kind = OutputKind::kLabels,
                                      .data = labels.data(),
                                      .row_stride = 90,
                                      .plane_stride = 0,
                                      .first_row = 0},
                                     {}, caller->handle());
      EXPECT_EQ(device.synchronizations, 0) << "it must not block";
      stream.Push([&] { got = labels; });
      stream.Push([&] {
        std::fill(late.begin(), late.end(), uint8_t{0});
        std::fill(labels.begin(), labels.end(), uint8_t{9});
      });
    }
    caller->Synchronize();
    ASSERT_EQ(want, got);
  }
}

TEST(DeviceTiler, RefusesMemoryOutOfTheDevicesReachBeforeAnythingIsEnqueued) {
  Both both(8, 4, 0, 1, 48, 2);
  HostDevice& device = *both.device;
  const Pixels<uint8_t> image(PixelType::kUint8, 100, 90, 1);
  std::vector<uint8_t> labels(100 * 90, 9);
  const auto caller = device.MakeStream();
  for (const void* memory : {image.view.data, static_cast<const void*>(labels.data())}) {
    device.out_of_reach = memory;
    try {
      both.on_device.SegmentOnDevice(Checked(image.view),
                                     {.kind = OutputKind::kLabels,
                                      .data = labels.data(),
                                      .row_stride = 90,
                                      .plane_stride = 0,
                                      .first_row = 0},
                                     {}, caller->handle());
      FAIL() << "no exception";
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), ErrorCode::kInvalidArgument);
      const char* what = memory == image.view.data ? "the image" : "the result's memory";
      EXPECT_EQ(std::string(e.what()).rfind(what, 0), 0u) << e.what();
    }
    EXPECT_EQ(dynamic_cast<HostDevice::Stream&>(*caller).pushed, 0);
  }
}

TEST(DeviceTiler, RefusesWhatThePlanCannotTakeAndSaysWhat) {
  Both both(16, 8, 0, 1, 64, 4);
  const auto message = [&](const SegmentOptions& o) -> std::string {
    try {
      both.on_device.Plan(200, 200, o);
    } catch (const Error& e) {
      return e.what();
    }
    return "";
  };
  SegmentOptions tile;
  tile.tile_height_px = 40;
  EXPECT_NE(message(tile).find("tile of 40 px: the plan takes tiles of up to 32 px"),
            std::string::npos)
      << message(tile);
  SegmentOptions batch;
  batch.batch_size = 5;
  EXPECT_NE(message(batch).find("batch_size 5: the plan takes up to 4"), std::string::npos);
  EXPECT_EQ(message({}), "");
  Both narrow(16, 8, 0, 1, 32, 4);
  EXPECT_THROW(narrow.on_device.Plan(200, 200, {}), Error);
}

TEST(DeviceTiler, CancelledInTheMiddleItIsStillGoodForTheNextImage) {
  Both both(8, 4, 0, 1, 48, 2, Head::kSigmoid);
  const Pixels<uint8_t> image(PixelType::kUint8, 100, 90, 1);
  SegmentOptions o;
  o.progress = [](int64_t done, int64_t) { return done < 4; };
  std::vector<uint8_t> labels(100 * 90);
  EXPECT_THROW(both.on_device.Segment(Checked(image.view), {0, image.view.height},
                                      {OutputKind::kLabels, labels.data(), 90, 0, 0}, o),
               Error);
  both.ExpectEqual<uint8_t>(image.view, OutputKind::kLabels, {});
}

// Fails at its n-th call of a lane.
class FailingNetwork final : public DeviceNetwork {
 public:
  FailingNetwork(std::shared_ptr<DeviceNetwork> inner, int fails_at)
      : inner_(std::move(inner)), calls_left_(fails_at) {}
  struct FailingLane final : Lane {
    FailingLane(std::unique_ptr<Lane> lane, int& calls) : inner(std::move(lane)), left(calls) {}
    void Run(DeviceStream& stream, const void* windows, float* logits, int64_t n, int64_t h,
             int64_t w) override {
      if (--left == 0) throw Error(ErrorCode::kInternal, "the network fails");
      inner->Run(stream, windows, logits, n, h, w);
    }
    std::unique_ptr<Lane> inner;
    int& left;
  };
  std::unique_ptr<Lane> MakeLane() override {
    return std::make_unique<FailingLane>(inner_->MakeLane(), calls_left_);
  }
  bool half_input() const override { return false; }
  int64_t max_height() const override { return inner_->max_height(); }
  int64_t max_width() const override { return inner_->max_width(); }
  int max_batch() const override { return inner_->max_batch(); }

 private:
  std::shared_ptr<DeviceNetwork> inner_;
  int calls_left_;
};

TEST(DeviceTiler, ANetworkThatFailsGivesItsSessionBack) {
  const auto executor = std::make_shared<IdentityExecutor>(8, 4);
  const Pixels<uint8_t> image(PixelType::kUint8, 100, 90, 1);
  std::vector<uint8_t> labels(100 * 90);
  const OutputView out{.kind = OutputKind::kLabels,
                       .data = labels.data(),
                       .row_stride = 90,
                       .plane_stride = 0,
                       .first_row = 0};
  for (TileMode mode : {TileMode::kExact, TileMode::kGaussian}) {
    const auto device = std::make_shared<HostDevice>();
    const SegmentationModel model{
        .geometry = executor->geometry(), .normalisation = Scales(1), .why_not_tileable = ""};
    const DeviceTiler tiler(
        device, std::make_shared<FailingNetwork>(std::make_shared<HostNetwork>(executor, 48, 2), 3),
        model, std::make_shared<ThreadPool>(1));
    SegmentOptions o;
    o.mode = mode;
    EXPECT_THROW(tiler.Segment(Checked(image.view), {0, 100}, out, o), Error);
    const int made = device->streams_made;
    tiler.Segment(Checked(image.view), {.begin = 0, .end = 100}, out, o);
    EXPECT_EQ(device->streams_made, made) << "another session was made";
  }
}

TEST(DeviceTiler, NetworksWithoutTilesTakeTheWholeImageAtOnce) {
  NetworkGeometry geometry = IdentityExecutor(0).geometry();
  geometry.tileable = false;
  const auto executor = std::make_shared<IdentityExecutor>(geometry);
  const SegmentationModel model{.geometry = geometry,
                                .normalisation = Scales(1),
                                .head = Head::kSigmoid,
                                .why_not_tileable = "it is a test"};
  const auto pool = std::make_shared<ThreadPool>(1);
  const Tiler on_host(executor, model, pool);
  const DeviceTiler on_device(std::make_shared<HostDevice>(),
                              std::make_shared<HostNetwork>(executor, 64, 1), model, pool);
  const Pixels<uint16_t> image(PixelType::kUint16, 50, 43, 1);
  std::vector<float> want(50 * 43), got(50 * 43, -1);
  const auto segment = [&](const Segmenter& segmenter, std::vector<float>& scores) {
    segmenter.Segment(Checked(image.view), {.begin = 0, .end = 50},
                      {.kind = OutputKind::kProbabilities,
                       .data = scores.data(),
                       .row_stride = 43,
                       .plane_stride = 50 * 43,
                       .first_row = 0},
                      {});
  };
  segment(on_host, want);
  segment(on_device, got);
  EXPECT_EQ(want, got);
  EXPECT_THROW(on_device.Plan(50, 43, {}), Error);
}

}  // namespace
}  // namespace pyengine
