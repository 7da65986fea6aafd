// The header over the C interface, compiled as C++17 and as C++20.
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <fstream>
#include <future>
#include <iterator>
#include <limits>
#include <numeric>
#include <stdexcept>
#include <type_traits>
#include <utility>
#include <vector>

#include "pyengine/pyengine.hpp"

namespace {

constexpr int64_t kHeight = 40, kWidth = 56;

static_assert(std::is_nothrow_move_constructible_v<pye::Engine>);
static_assert(!std::is_copy_constructible_v<pye::Engine>);

pye::Engine Tiny() {
  return pye::Engine::Open(PYENGINE_TEST_DATA "/tiny.pyengine");
}

std::vector<uint8_t> Pixels() {
  std::vector<uint8_t> pixels(kHeight * kWidth);
  for (size_t i = 0; i < pixels.size(); ++i) pixels[i] = static_cast<uint8_t>(i * 37 % 251);
  return pixels;
}

template <class F>
pye_status StatusOf(F&& call) {
  try {
    call();
  } catch (const pye::Error& e) {
    EXPECT_STRNE(e.what(), "");
    return e.status();
  }
  return PYE_OK;
}

TEST(PyengineHpp, ResultsAreThoseOfC) {
  const pye::Engine engine = Tiny();
  const std::vector<uint8_t> pixels = Pixels();
  const pye_image image = pye::ImageOf(pixels.data(), kHeight, kWidth);
  std::vector<uint8_t> want(pixels.size());
  ASSERT_EQ(pye_segment_labels(engine.handle(), &image, want.data(), kWidth, nullptr), PYE_OK);
  EXPECT_EQ(engine.Labels(image), want);

  const auto classes = static_cast<size_t>(engine.Info().classes);
  const std::vector<float> scores = engine.Scores(image, PYE_PROBABILITIES);
  ASSERT_EQ(scores.size(), classes * pixels.size());
  std::vector<float> same(scores.size());
  ASSERT_EQ(pye_segment_scores(engine.handle(), &image, PYE_PROBABILITIES, same.data(), nullptr),
            PYE_OK);
  EXPECT_EQ(scores, same);
}

TEST(PyengineHpp, BandsMakeTheWhole) {
  const pye::Engine engine = Tiny();
  const std::vector<uint8_t> pixels = Pixels();
  const pye_image image = pye::ImageOf(pixels.data(), kHeight, kWidth);
  pye::SegmentOptions options;
  options.tile_height_px = 16;
  const int64_t step = engine.Plan(kHeight, kWidth, options).tile_height_px;
  std::vector<uint8_t> labels(pixels.size());
  for (int64_t row = 0; row < kHeight; row += step) {
    const pye_band band =
        engine.BandRows(kHeight, kWidth, row, std::min(kHeight, row + step), options);
    pye_image rows = image;
    rows.data = pixels.data() + band.first_row * kWidth;
    engine.Band(rows, band, PYE_LABELS, labels.data() + row * kWidth, options);
  }
  EXPECT_EQ(labels, engine.Labels(image));
}

TEST(PyengineHpp, TheNetworkItselfTakesNormalisedPixels) {
  const pye::Engine engine = Tiny();
  const std::vector<uint8_t> pixels = Pixels();
  const std::vector<float> planes = engine.Normalise(pye::ImageOf(pixels.data(), kHeight, kWidth));
  ASSERT_EQ(planes.size(), pixels.size());
  EXPECT_FALSE(engine.Run(planes.data(), 1, kHeight, kWidth).empty());
}

TEST(PyengineHpp, ClassifiesAndNamesClasses) {
  const auto engine = pye::Engine::Open(PYENGINE_TEST_DATA "/tiny-classifier.pyengine");
  const std::vector<uint8_t> pixels = Pixels();
  const pye::Classification found = engine.Classify(pye::ImageOf(pixels.data(), kHeight, kWidth));
  EXPECT_EQ(found.probabilities.size(), static_cast<size_t>(engine.Info().label_count));
  EXPECT_NEAR(std::accumulate(found.probabilities.begin(), found.probabilities.end(), 0.0), 1.0,
              1e-5);
  EXPECT_STRNE(engine.Class(found.index).name, "");
  EXPECT_STRNE(engine.Layer(0).name, "");
}

TEST(PyengineHpp, CallsTakeTurnsAndEnginesShareThreads) {
  const pye::Engine first = Tiny();
  pye::EngineOptions shared;
  shared.share_threads = first.handle();
  const pye::Engine second = pye::Engine::Open(PYENGINE_TEST_DATA "/tiny.pyengine", shared);
  pye::SegmentOptions options;
  options.priority = 2;
  std::vector<uint8_t> labels;
  {
    const pye::Scheduler scheduler;
    options.scheduler = scheduler.handle();
    const auto pixels = Pixels();
    const pye_image image = pye::ImageOf(pixels.data(), kHeight, kWidth);
    labels = second.Labels(image, options);
    EXPECT_EQ(labels, first.Labels(image));
  }
}

TEST(PyengineHpp, ErrorsCarryTheStatus) {
  EXPECT_EQ(StatusOf([] { pye::Engine::Open("/no/such.pyengine"); }), PYE_IO);
  const pye::Engine engine = Tiny();
  const std::vector<uint8_t> pixels = Pixels();
  const pye_image image = pye::ImageOf(pixels.data(), kHeight, kWidth);
  EXPECT_EQ(StatusOf([&] { engine.Classify(image); }), PYE_UNSUPPORTED);
  pye_image wrong = image;
  wrong.height = -1;
  EXPECT_EQ(StatusOf([&] { engine.Labels(wrong); }), PYE_INVALID_ARGUMENT);
  wrong = image;
  wrong.channels = 3;
  EXPECT_EQ(StatusOf([&] { engine.Normalise(wrong); }), PYE_INVALID_ARGUMENT);
}

TEST(PyengineHpp, WhatACallbackThrowsComesOutOfTheCall) {
  const pye::Engine engine = Tiny();
  const std::vector<uint8_t> pixels = Pixels();
  const pye_image image = pye::ImageOf(pixels.data(), kHeight, kWidth);
  pye::SegmentOptions options;
  options.on_progress = [](int64_t, int64_t) -> bool { throw std::domain_error("mine"); };
  EXPECT_THROW(engine.Labels(image, options), std::domain_error);
  options.on_progress = [](int64_t, int64_t) { return false; };
  EXPECT_EQ(StatusOf([&] { engine.Labels(image, options); }), PYE_CANCELLED);
  int64_t last = 0;
  options.on_progress = [&](int64_t done, int64_t total) {
    last = total - done;
    return true;
  };
  options.is_cancelled = [] { return false; };
  engine.Labels(image, options);
  EXPECT_EQ(last, 0);
}

TEST(PyengineHpp, AMovedFromEngineIsRefused) {
  pye::Engine engine = Tiny();
  const pye::Engine taken = std::move(engine);
  EXPECT_NE(taken.handle(), nullptr);
  EXPECT_EQ(StatusOf([&] { engine.Info(); }),
            PYE_INVALID_ARGUMENT);  // NOLINT(bugprone-use-after-move)
}

pye::StreamOptions StreamFor(int32_t policy) {
  pye::StreamOptions options;
  options.height = kHeight;
  options.width = kWidth;
  options.policy = policy;
  options.queue = 64;
  return options;
}

TEST(PyengineHpp, AStreamTellsItsCallback) {
  const pye::Engine engine = Tiny();
  const std::vector<uint8_t> pixels = Pixels();
  const pye_image image = pye::ImageOf(pixels.data(), kHeight, kWidth);
  const std::vector<uint8_t> want = engine.Labels(image);
  int same = 0;
  pye::StreamOptions options = StreamFor(PYE_POLICY_ALL);
  options.on_done = [&](const pye_result& result) {
    const auto* labels = static_cast<const uint8_t*>(result.data);
    if (labels != nullptr) same += std::equal(want.begin(), want.end(), labels);
  };
  auto stream = pye::Stream::Open(engine, options);
  for (int i = 0; i < 20; ++i) EXPECT_TRUE(stream.Submit(pye::FrameOf(image)));
  EXPECT_TRUE(stream.Flush());
  EXPECT_EQ(same, 20);
  EXPECT_EQ(stream.Statistics().done, 20);
  stream.Close(PYE_DRAIN);
  EXPECT_EQ(stream.handle(), nullptr);
}

TEST(PyengineHpp, TakenResultsGoBackToTheStream) {
  const pye::Engine engine = Tiny();
  const std::vector<uint8_t> pixels = Pixels();
  const pye_image image = pye::ImageOf(pixels.data(), kHeight, kWidth);
  const auto stream = pye::Stream::Open(engine, StreamFor(PYE_POLICY_ALL));
  EXPECT_FALSE(stream.Take(std::chrono::milliseconds(1)));
  for (int i = 1; i <= 20; ++i) {  // more than the stream has memory for
    ASSERT_TRUE(stream.Submit(pye::FrameOf(image)));
    const auto result = stream.Take(std::chrono::seconds(30));
    ASSERT_TRUE(result);
    EXPECT_EQ((*result)->number, i);
    EXPECT_EQ((**result).status, PYE_FRAME_DONE);
  }
}

TEST(PyengineHpp, EveryPromiseOfAFrameIsKept) {
  const pye::Engine engine = Tiny();
  std::vector<uint8_t> pixels = Pixels();
  const pye_image image = pye::ImageOf(pixels.data(), kHeight, kWidth);
  const std::vector<uint8_t> want = engine.Labels(image);
  for (int32_t policy : {PYE_POLICY_NEWEST, PYE_POLICY_ALL, PYE_POLICY_REJECT}) {
    const auto stream = pye::FutureStream::Open(engine, StreamFor(policy));
    std::vector<std::future<pye::FrameResult>> futures;
    for (int i = 0; i < 50; ++i) futures.push_back(stream.Submit(pye::FrameOf(image)));
    int done = 0, replaced = 0, refused = 0;
    for (auto& future : futures) {
      try {
        const pye::FrameResult result = future.get();
        if (result.status == PYE_FRAME_REPLACED) ++replaced;
        if (result.status != PYE_FRAME_DONE) continue;
        ++done;
        EXPECT_EQ(result.labels, want);
        EXPECT_GE(result.end_ns, result.begin_ns);
      } catch (const pye::Error& e) {
        EXPECT_EQ(e.status(), PYE_BUSY);
        ++refused;
      }
    }
    EXPECT_EQ(done + replaced + refused, 50);
    EXPECT_GE(done, 1);
    EXPECT_TRUE(policy != PYE_POLICY_ALL || done == 50);
    EXPECT_TRUE(policy == PYE_POLICY_NEWEST || replaced == 0);
  }
}

TEST(PyengineHpp, AFrameThatFailsThrowsFromItsFuture) {
  const pye::Engine engine = Tiny();
  const auto stream = pye::FutureStream::Open(engine, StreamFor(PYE_POLICY_ALL));
  std::vector<float> pixels(kHeight * kWidth, std::numeric_limits<float>::quiet_NaN());
  auto future = stream.Submit(pye::FrameOf(pye::ImageOf(pixels.data(), kHeight, kWidth)));
  EXPECT_EQ(StatusOf([&] { future.get(); }), PYE_INVALID_ARGUMENT);
  pye::StreamOptions options = StreamFor(PYE_POLICY_ALL);
  options.on_done = [](const pye_result&) {};
  EXPECT_EQ(StatusOf([&] { pye::FutureStream::Open(engine, options); }), PYE_INVALID_ARGUMENT);
}

TEST(PyengineHpp, WhatAStreamsCallbackThrowsComesOutOfFlush) {
  const pye::Engine engine = Tiny();
  const std::vector<uint8_t> pixels = Pixels();
  const pye_frame frame = pye::FrameOf(pye::ImageOf(pixels.data(), kHeight, kWidth));
  pye::StreamOptions options = StreamFor(PYE_POLICY_ALL);
  options.on_done = [](const pye_result&) { throw std::domain_error("mine"); };
  const auto stream = pye::Stream::Open(engine, options);
  stream.Submit(frame);
  EXPECT_THROW(stream.Flush(), std::domain_error);
  EXPECT_TRUE(stream.Flush());
  options.on_done = nullptr;
  options.each.on_progress = [](int64_t, int64_t) -> bool { throw std::domain_error("mine"); };
  const auto cancelled = pye::Stream::Open(engine, options);
  cancelled.Submit(frame);
  const auto result = cancelled.Take(std::chrono::seconds(30));
  ASSERT_TRUE(result);
  EXPECT_EQ((*result)->status, PYE_FRAME_CANCELLED);
  EXPECT_THROW(cancelled.Stop(PYE_DISCARD), std::domain_error);
}

TEST(PyengineHpp, AStreamKeepsItsEngine) {
  const std::vector<uint8_t> pixels = Pixels();
  const auto stream = [] {
    const pye::Engine engine = Tiny();
    return pye::Stream::Open(engine, StreamFor(PYE_POLICY_ALL));
  }();
  stream.Submit(pye::FrameOf(pye::ImageOf(pixels.data(), kHeight, kWidth)));
  EXPECT_TRUE(stream.Take(std::chrono::seconds(30)));
}

TEST(PyengineHpp, ResultsTakeOtherForms) {
  const std::vector<uint8_t> labels = {0, 1, 1, 0,  //
                                       0, 1, 1, 2,  //
                                       0, 0, 0, 2};
  const std::vector<pye_run> runs = pye::RunsOf(labels.data(), 3, 4);
  EXPECT_EQ(runs.size(), 4u);
  EXPECT_EQ(pye::LabelsOf(runs, 3, 4), labels);
  const std::vector<pye::Contour> contours = pye::ContoursOf(labels.data(), 3, 4, 1);
  ASSERT_EQ(contours.size(), 1u);
  EXPECT_FALSE(contours[0].hole);
  const pye::Boundaries found = pye::BoundariesOf(labels.data(), 3, 4, 1);
  EXPECT_TRUE(std::isnan(found.upper[0]));
  EXPECT_FLOAT_EQ(found.lower[1] - found.upper[1], 2);
}

TEST(PyengineHpp, OpensFromMemoryAndTellsWhatItHolds) {
  std::ifstream file(PYENGINE_TEST_DATA "/tiny.pyengine", std::ios::binary);
  const std::vector<char> bytes((std::istreambuf_iterator<char>(file)), {});
  const auto engine = pye::Engine::OpenMemory(bytes.data(), bytes.size());
  engine.Prepare(kHeight, kWidth);
  EXPECT_GT(engine.Memory().weights_bytes, 0);
  engine.Trim();
  EXPECT_EQ(engine.Memory().idle_bytes, 0);
  const std::vector<uint8_t> pixels = Pixels();
  EXPECT_GE(engine.CheckRange(pye::ImageOf(pixels.data(), kHeight, kWidth)).highest, 250);
}

#ifdef __cpp_lib_span
TEST(PyengineHpp, SpansMustHoldTheImage) {
  const std::vector<uint8_t> pixels = Pixels();
  const std::span<const uint8_t> all(pixels);
  EXPECT_EQ(Tiny().Labels(pye::ImageOf(all, kHeight, kWidth)).size(), pixels.size());
  EXPECT_EQ(StatusOf([&] { pye::ImageOf(all, kHeight + 1, kWidth); }), PYE_INVALID_ARGUMENT);
  EXPECT_EQ(StatusOf([&] { pye::ImageOf(all, -kHeight, -kWidth); }), PYE_INVALID_ARGUMENT);
}
#endif

}  // namespace
