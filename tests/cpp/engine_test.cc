#include "pyengine/engine.h"

#include <gtest/gtest.h>
#if defined(__x86_64__)
#endif

#include <random>
#include <thread>

#include "core/platform/float_environment.h"
#include "pyengine/error.h"

namespace pyengine {
namespace {

const std::string kTiny = PYENGINE_TEST_DATA "/tiny.pyengine";

std::vector<uint8_t> Noise(int64_t h, int64_t w) {
  std::vector<uint8_t> pixels(static_cast<size_t>(h * w));
  std::mt19937 random(static_cast<uint32_t>(h + w));
  for (auto& p : pixels) p = static_cast<uint8_t>(random());
  return pixels;
}

ImageView View(const std::vector<uint8_t>& pixels, int64_t h, int64_t w) {
  return {.data = pixels.data(),
          .type = PixelType::kUint8,
          .height = h,
          .width = w,
          .channels = 1,
          .row_stride_bytes = w,
          .pixel_stride_bytes = 1,
          .channel_stride_bytes = 1,
          .first_row = 0,
          .rows = 0};
}

std::vector<float> Logits(const Engine& engine, int64_t h, int64_t w, int64_t tile) {
  const auto pixels = Noise(h, w);
  std::vector<float> out(static_cast<size_t>(2 * h * w));
  SegmentOptions o;
  o.tile_height_px = o.tile_width_px = tile;
  engine.SegmentScores(View(pixels, h, w), OutputKind::kLogits, out.data(), o);
  return out;
}

TEST(Engine, TilesAndThreadsDoNotChangeABit) {
  for (const char* isa : {"", "reference"}) {
    const Engine one = Engine::Open(kTiny, {.threads = 1, .isa = isa}),
                 many = Engine::Open(kTiny, {.threads = 3, .isa = isa});
    for (auto [h, w] : {std::pair<int64_t, int64_t>{1, 1}, {5, 61}, {64, 40}, {97, 33}}) {
      const auto want = Logits(one, h, w, 128);
      for (int64_t tile : {2, 6, 16, 50}) {
        ASSERT_EQ(Logits(one, h, w, tile), want);
        ASSERT_EQ(Logits(many, h, w, tile), want);
      }
    }
  }
}

#if defined(PYENGINE_X86_64) || defined(PYENGINE_ARM64)

// A host's settings of MXCSR or FPCR.
class HostFloats {
 public:
  explicit HostFloats(uint64_t settings) { SetFloatSettings(settings); }
  ~HostFloats() { SetFloatSettings(before_); }

 private:
  uint64_t before_ = FloatSettings();
};

#if defined(PYENGINE_X86_64)
constexpr uint64_t kFlushToZero = 0x8040, kRoundDown = 0x2000;
constexpr uint64_t kMasks = 0x80 | 0x200 | 0x400 | 0x800;  // invalid, by zero, over-, underflow
constexpr uint64_t kTraps = kDefaultFloatSettings & ~kMasks;
#else
constexpr uint64_t kFlushToZero = uint64_t{1} << 24, kRoundDown = uint64_t{2} << 22;
constexpr uint64_t kTraps = uint64_t{0xF} << 8;  // few processors have them; others ignore the bits
#endif

TEST(Engine, AHostsRoundingDoesNotChangeABit) {
  const auto want = Logits(Engine::Open(kTiny, {.threads = 2, .isa = ""}), 97, 33, 16);
  const uint64_t settings = kDefaultFloatSettings | kFlushToZero | kRoundDown;
  const HostFloats host(settings);
  const Engine engine = Engine::Open(kTiny, {.threads = 2, .isa = ""});
  EXPECT_EQ(Logits(engine, 97, 33, 16), want);
  EXPECT_EQ(FloatSettings(), settings);
}

TEST(Engine, AHostsTrapsDoNotFire) {
  std::vector<float> image(64 * 64, 3e38f), out(image.size() * 2);
  for (size_t i = 0; i < image.size(); i += 3) image[i] = 1e-42f;
  const HostFloats host(kTraps);
  const uint64_t settings = FloatSettings();
  for (const char* isa : {"", "reference"}) {
    const Engine engine = Engine::Open(kTiny, {.threads = 2, .isa = isa});
    engine.SegmentScores({.data = image.data(),
                          .type = PixelType::kFloat32,
                          .height = 64,
                          .width = 64,
                          .channels = 1,
                          .row_stride_bytes = 64 * 4,
                          .pixel_stride_bytes = 4,
                          .channel_stride_bytes = 4,
                          .first_row = 0,
                          .rows = 0},
                         OutputKind::kProbabilities, out.data(), {});
    EXPECT_EQ(FloatSettings(), settings);
  }
}

#endif

// The reference kernels take many times the interval of the question over one tile.
TEST(Engine, IsCancelledWithinATile) {
  const Engine engine = Engine::Open(kTiny, {.threads = 1, .isa = "reference"});
  const auto pixels = Noise(512, 512);
  std::vector<uint8_t> labels(pixels.size());
  SegmentOptions o;
  o.tile_height_px = o.tile_width_px = 512;
  int asked = 0, tiles = 0;
  o.cancelled = [&] { return ++asked == 2; };
  o.progress = [&](int64_t, int64_t) { return ++tiles > 0; };
  try {
    engine.SegmentLabels(View(pixels, 512, 512), labels.data(), 512, o);
    ADD_FAILURE() << "not cancelled";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kCancelled);
  }
  EXPECT_EQ(asked, 2);
  EXPECT_EQ(tiles, 0);
  // The engine stays usable, and nobody asks in other calls.
  EXPECT_EQ(Logits(engine, 70, 50, 0), Logits(Engine::Open(kTiny, {2, "reference"}), 70, 50, 0));
  EXPECT_EQ(asked, 2);
}

TEST(Engine, RunChecksItsArguments) {
  const Engine engine = Engine::Open(kTiny);
  std::vector<float> in(64 * 64), out(2 * in.size());
  EXPECT_THROW(engine.Run(in.data(), out.data(), -1, 64, 64), Error);
  EXPECT_THROW(engine.Run(nullptr, out.data(), 1, 64, 64), Error);
  EXPECT_THROW(engine.Run(in.data(), nullptr, 1, 64, 64), Error);
  EXPECT_NO_THROW(engine.Run(nullptr, nullptr, 0, 64, 64));
}

// An executor that says it is of another network.
class OtherGeometry final : public Executor {
 public:
  using Executor::Executor;
  void Run(const float*, float*, int64_t, int64_t, int64_t) override {}
};

TEST(Engine, RefusesAnExecutorOfAnotherGeometryNamingTheField) {
  const auto refusal = [](void (*change)(NetworkGeometry&)) -> std::string {
    try {
      Engine::Open(kTiny, [&](const EngineInfo& info) {
        NetworkGeometry geometry = info.geometry;
        change(geometry);
        return std::make_shared<OtherGeometry>(geometry);
      });
    } catch (const Error& error) {
      return error.what();
    }
    return "opened";
  };
  EXPECT_EQ(refusal([](NetworkGeometry&) {}), "opened");
  const std::pair<const char*, void (*)(NetworkGeometry&)> changes[] = {
      {"channels", [](NetworkGeometry& g) { ++g.channels; }},
      {"classes", [](NetworkGeometry& g) { ++g.classes; }},
      {"before", [](NetworkGeometry& g) { ++g.before; }},
      {"after", [](NetworkGeometry& g) { ++g.after; }},
      {"margin", [](NetworkGeometry& g) { ++g.margin; }},
      {"alignment", [](NetworkGeometry& g) { g.alignment *= 2; }},
      {"size_residue", [](NetworkGeometry& g) { ++g.size_residue; }},
      {"dense", [](NetworkGeometry& g) { g.dense = false; }},
      {"tileable", [](NetworkGeometry& g) { g.tileable = false; }},
  };
  for (const auto& [field, change] : changes)
    EXPECT_NE(refusal(change).find(std::string("executor's ") + field), std::string::npos) << field;
}

TEST(Engine, AnExecutorMayHaveAContextOfItsOwn) {
  const auto factory = [](const EngineInfo& info) {
    return std::make_shared<OtherGeometry>(info.geometry);
  };
  EngineOptions options;
  options.executor_alignment_px = 16;
  options.executor_halo_px = 40;
  const Engine engine = Engine::Open(kTiny, factory, options);
  EXPECT_EQ(engine.info().geometry.alignment, 16);
  EXPECT_EQ(engine.info().geometry.before, 48 + engine.info().geometry.margin);
  EXPECT_EQ(engine.info().geometry.after, 40);
  EXPECT_TRUE(engine.info().geometry.tileable);
  options.executor_halo_px = -1;
  EXPECT_THROW(Engine::Open(kTiny, factory, options), Error);
}

// Every way to compute, on awkward regions: corners, single pixels, the whole.
TEST(Engine, ARegionIsTheCropOfTheWhole) {
  const int64_t h = 97, w = 61;
  const auto pixels = Noise(h, w);
  const Engine engine = Engine::Open(kTiny, {.threads = 2, .isa = ""});
  const int64_t regions[][4] = {{0, 0, 97, 61},  {0, 0, 1, 1},    {96, 60, 1, 1}, {13, 7, 40, 22},
                                {50, 0, 47, 61}, {31, 33, 5, 28}, {90, 3, 7, 9}};
  for (auto mode : {TileMode::kExact, TileMode::kGaussian})
    for (auto augmentation : {Augmentation::kNone, Augmentation::kD4})
      for (int64_t tile : {0, 16, 34}) {
        SegmentOptions o;
        o.mode = mode;
        o.augmentation = augmentation;
        o.tile_height_px = o.tile_width_px = tile;
        std::vector<float> whole(static_cast<size_t>(2 * h * w));
        engine.SegmentScores(View(pixels, h, w), OutputKind::kLogits, whole.data(), o);
        for (const auto& [top, left, height, width] : regions) {
          o.region_top_px = top;
          o.region_left_px = left;
          o.region_height_px = height;
          o.region_width_px = width;
          std::vector<float> part(static_cast<size_t>(2 * height * width)), crop;
          std::vector<uint8_t> labels(static_cast<size_t>(height * (width + 3)), uint8_t{9});
          engine.SegmentScores(View(pixels, h, w), OutputKind::kLogits, part.data(), o);
          engine.SegmentLabels(View(pixels, h, w), labels.data(), width + 3, o);
          for (int64_t k = 0; k < 2; ++k)
            for (int64_t y = 0; y < height; ++y)
              for (int64_t x = 0; x < width; ++x)
                crop.push_back(whole[(k * h + top + y) * w + left + x]);
          ASSERT_EQ(part, crop) << top << " " << left << " " << tile;
          for (int64_t y = 0; y < height; ++y)
            for (int64_t x = 0; x < width; ++x) {
              const int64_t at = y * width + x;
              ASSERT_EQ(labels[y * (width + 3) + x], crop[height * width + at] > crop[at]);
            }
        }
      }
}

TEST(Engine, ARegionIsComputedAlone) {
  const Engine engine = Engine::Open(kTiny, {.threads = 1, .isa = ""});
  SegmentOptions o;
  o.tile_height_px = o.tile_width_px = 16;
  EXPECT_EQ(engine.Plan(160, 160, o).tiles_down, 10);
  o.region_top_px = 50;
  o.region_left_px = 64;
  o.region_height_px = o.region_width_px = 16;
  const TilePlan plan = engine.Plan(160, 160, o);
  EXPECT_LE(plan.tiles_down * plan.tiles_across, 4);
  const auto refused = [&](int64_t top, int64_t height) {
    o.region_top_px = top;
    o.region_height_px = height;
    EXPECT_THROW(engine.Plan(160, 160, o), Error);
  };
  refused(150, 16);
  refused(-1, 16);
  refused(0, 0);
  refused(0, INT64_MAX);
  refused(INT64_MAX, 16);
}

TEST(Engine, AugmentationNeedsTheWholeImage) {
  const Engine engine = Engine::Open(kTiny, {.threads = 1, .isa = ""});
  const auto pixels = Noise(40, 24);
  std::vector<uint8_t> labels(size_t(40 * 24)), whole(labels.size());
  SegmentOptions o;
  o.tile_height_px = 16;
  o.augmentation = Augmentation::kD4;
  const ImageView view = View(pixels, 40, 24);
  engine.SegmentLabels(view, whole.data(), 24, o);
  engine.SegmentBand(view, OutputKind::kLabels, 0, 40, labels.data(), o);
  EXPECT_EQ(labels, whole);
  EXPECT_THROW(engine.SegmentBand(view, OutputKind::kLabels, 0, 16, labels.data(), o), Error);
}

TEST(Engine, ServesManyThreadsAtOnce) {
  const Engine engine = Engine::Open(kTiny, {.threads = 2, .isa = ""});
  const auto want = Logits(engine, 70, 50, 0);
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&, t] {
      for (int round = 0; round < 8; ++round) {
        EXPECT_EQ(Logits(engine, 70, 50, 0), want);
        Logits(engine, 20 + 7 * t + round, 30, 0);  // other sizes come and go
      }
    });
  for (auto& thread : threads) thread.join();
}

TEST(Engine, ProgressCancelsAndTheEngineStaysUsable) {
  const Engine engine = Engine::Open(kTiny);
  const auto pixels = Noise(64, 64);
  std::vector<uint8_t> labels(64 * 64);
  SegmentOptions o;
  o.tile_height_px = o.tile_width_px = 16;
  int calls = 0;
  o.progress = [&](int64_t, int64_t total) {
    EXPECT_EQ(total, 16);
    return ++calls < 3;
  };
  try {
    engine.SegmentLabels(View(pixels, 64, 64), labels.data(), 64, o);
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::kCancelled);
  }
  EXPECT_EQ(calls, 3);
  engine.SegmentLabels(View(pixels, 64, 64), labels.data(), 64);
}

TEST(Engine, FalseCancelsAtTheEndToo) {
  const Engine engine = Engine::Open(kTiny);
  const auto pixels = Noise(20, 20);
  std::vector<uint8_t> labels(20 * 20);
  for (TileMode mode : {TileMode::kExact, TileMode::kGaussian})
    for (Augmentation augmentation : {Augmentation::kNone, Augmentation::kFlips}) {
      SegmentOptions o;
      o.mode = mode;
      o.augmentation = augmentation;
      o.progress = [](int64_t done, int64_t total) { return done < total; };
      try {
        engine.SegmentLabels(View(pixels, 20, 20), labels.data(), 20, o);
        FAIL();
      } catch (const Error& e) {
        EXPECT_EQ(e.code(), ErrorCode::kCancelled);
      }
    }
}

// What no call below the facade asks again.
TEST(Engine, RefusesAtTheDoorWhatBreaksARule) {
  const Engine engine = Engine::Open(kTiny, {.threads = 1, .isa = ""});
  const auto pixels = Noise(30, 20);
  std::vector<uint8_t> labels(30 * 20);
  std::vector<float> scores(2 * 30 * 20);
  const auto refused = [&](const auto& call) {
    try {
      call();
      ADD_FAILURE() << "not refused";
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), ErrorCode::kInvalidArgument) << e.what();
    }
  };
  const ImageView good = View(pixels, 30, 20);
  const auto image_refused = [&](const auto& change) {
    ImageView view = good;
    change(view);
    refused([&] { engine.SegmentLabels(view, labels.data(), view.width); });
    refused([&] { engine.SegmentScores(view, OutputKind::kLogits, scores.data()); });
    refused([&] { engine.SegmentBand(view, OutputKind::kLogits, 0, 16, scores.data()); });
  };
  image_refused([](ImageView& v) { v.height = int64_t(1) << 40; });
  image_refused([](ImageView& v) { v.width = int64_t(1) << 40; });
  image_refused([](ImageView& v) { v.height = 0; });
  image_refused([](ImageView& v) { v.row_stride_bytes = INT64_MAX; });
  image_refused([](ImageView& v) { v.type = static_cast<PixelType>(7); });
  image_refused([](ImageView& v) { v.data = nullptr; });
  image_refused([](ImageView& v) {
    v.type = PixelType::kUint16;
    v.width = 9, v.pixel_stride_bytes = 2;
    v.data = static_cast<const char*>(v.data) + 1;
  });
  const auto options_refused = [&](const auto& change) {
    SegmentOptions o;
    change(o);
    int64_t rows[2];
    refused([&] { engine.SegmentLabels(good, labels.data(), 20, o); });
    refused([&] { engine.Plan(30, 20, o); });
    refused([&] { engine.BandRows(30, 20, 0, 16, o, rows); });
  };
  options_refused([](SegmentOptions& o) { o.tile_height_px = -1; });
  options_refused([](SegmentOptions& o) { o.batch_size = -1; });
  options_refused([](SegmentOptions& o) { o.padding = static_cast<PaddingMode>(3); });
  options_refused([](SegmentOptions& o) { o.mode = static_cast<TileMode>(4); });
  options_refused([](SegmentOptions& o) { o.augmentation = static_cast<Augmentation>(4); });
  refused([&] { engine.Plan(int64_t(1) << 40, 10); });
  refused([&] { engine.Profile(int64_t(1) << 40, 10, 1); });
  refused([&] { engine.SegmentLabels(good, nullptr, 20); });
  refused([&] { engine.SegmentLabels(good, labels.data(), 19); });
  refused([&] { engine.SegmentLabels(good, labels.data(), INT64_MAX); });
  refused([&] { engine.SegmentScores(good, OutputKind::kLabels, scores.data()); });
  refused([&] { engine.SegmentScores(good, static_cast<OutputKind>(9), scores.data()); });
  int64_t rows[2];
  for (const auto& [begin, end] :
       {std::pair<int64_t, int64_t>{0, 31}, {96, 5000}, {-16, 16}, {16, 16}, {16, 0}}) {
    refused([&, b = begin, e = end] { engine.BandRows(30, 20, b, e, {}, rows); });
    refused([&, b = begin, e = end] {
      engine.SegmentBand(good, OutputKind::kLabels, b, e, labels.data());
    });
  }
  EngineOptions options;
  options.accuracy = static_cast<Accuracy>(5);
  refused([&] { Engine::Open(kTiny, options); });
  options = {};
  options.device = "gpu";
  refused([&] { Engine::Open(kTiny, options); });
}

TEST(Engine, NegativeStridesReadTheImageBackwards) {
  const Engine engine = Engine::Open(kTiny);
  const auto pixels = Noise(30, 20);
  const std::vector<uint8_t> reversed(pixels.rbegin(), pixels.rend());
  std::vector<uint8_t> want(600), got(600);
  engine.SegmentLabels(View(reversed, 30, 20), want.data(), 20);
  const ImageView view{.data = &pixels.back(),
                       .type = PixelType::kUint8,
                       .height = 30,
                       .width = 20,
                       .channels = 1,
                       .row_stride_bytes = -20,
                       .pixel_stride_bytes = -1,
                       .channel_stride_bytes = 1,
                       .first_row = 0,
                       .rows = 0};
  engine.SegmentLabels(view, got.data(), 20);
  EXPECT_EQ(got, want);
}

// A C++ subclass behind the tiler: hands on to a second engine's Run.
class HandOn final : public Executor {
 public:
  HandOn(const NetworkGeometry& geometry, const Engine& engine)
      : Executor(geometry), engine_(engine) {}
  void Run(const float* in, float* out, int64_t n, int64_t h, int64_t w) override {
    engine_.Run(in, out, n, h, w);
  }

 private:
  const Engine& engine_;
};

TEST(Engine, AnExecutorOfTheCallersOwnGivesTheSame) {
  const Engine inner = Engine::Open(kTiny);
  const Engine engine = Engine::Open(kTiny, [&](const EngineInfo& info) {
    return std::make_shared<HandOn>(info.geometry, inner);
  });
  EXPECT_EQ(engine.info().isa, "custom");
  EXPECT_EQ(Logits(engine, 50, 37, 16), Logits(inner, 50, 37, 0));
  EXPECT_THROW(Engine::Open(kTiny, ExecutorFactory{}), Error);
  EXPECT_THROW(Engine::Open(kTiny, [](const EngineInfo&) { return nullptr; }), Error);
  EXPECT_THROW(Engine::Open(kTiny,
                            [&](const EngineInfo&) {
                              return std::make_shared<HandOn>(NetworkGeometry{}, inner);
                            }),
               Error);
}

TEST(Engine, InfoDescribesTheNetwork) {
  const Engine engine = Engine::Open(kTiny);
  const EngineInfo& info = engine.info();
  EXPECT_EQ(info.task, "segmentation");
  EXPECT_EQ(info.geometry.margin, 8);
  EXPECT_EQ(info.geometry.alignment, 2);
  EXPECT_EQ(info.classes[1].name, "object");
  EXPECT_GT(info.flops_per_pixel, 0);
  EXPECT_EQ(Engine::Open(kTiny, {1, "reference"}).info().isa, "reference");
  EXPECT_THROW(Engine::Open(kTiny, {1, "mmx"}), Error);
  EXPECT_THROW(Engine::Open(kTiny, {-1, ""}), Error);
}

}  // namespace
}  // namespace pyengine
