// The header over the C interface, compiled as C++17 and as C++20.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
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
