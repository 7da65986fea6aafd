// Classification and the network's input; tests/python/test_classify.py compares with Pillow.
#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <vector>

#include "classification/resize.h"
#include "pyengine/engine.h"
#include "pyengine/error.h"

namespace pyengine {
namespace {

const std::string kClassifier = PYENGINE_TEST_DATA "/tiny-classifier.pyengine";
const std::string kTiny = PYENGINE_TEST_DATA "/tiny.pyengine";

ImageView View(const std::vector<uint8_t>& pixels, int64_t height, int64_t width) {
  return {.data = pixels.data(),
          .type = PixelType::kUint8,
          .height = height,
          .width = width,
          .channels = 1,
          .row_stride_bytes = width,
          .pixel_stride_bytes = 1,
          .channel_stride_bytes = 1};
}

ErrorCode CodeOf(const std::function<void()>& call) {
  try {
    call();
  } catch (const Error& e) {
    return e.code();
  }
  return ErrorCode{};
}

TEST(Classify, TellsTheClassOfImagesOfAnySize) {
  // Logits of the mean grey value m: 0, m, 4 m - 2 (tests/data/make_tiny.py).
  const Engine engine = Engine::Open(kClassifier);
  for (auto [height, width] : {std::pair<int64_t, int64_t>{6, 4}, {1, 1}, {50, 3}, {3, 50}}) {
    const std::vector<uint8_t> pixels(static_cast<size_t>(height * width), 255);
    const Classification found = engine.Classify(View(pixels, height, width));
    const double sum = 1 + std::exp(1) + std::exp(2);
    EXPECT_EQ(found.index, 2);
    ASSERT_EQ(found.probabilities.size(), 3U);
    // Weights of a resized pixel sum to 1 within a few roundings of float32.
    EXPECT_NEAR(found.probabilities[0], 1 / sum, 1e-6);
    EXPECT_NEAR(found.probabilities[2], std::exp(2) / sum, 1e-6);
  }
}

TEST(Classify, TheFirstOfEqualClassesWins) {
  const std::vector<uint8_t> black(24, 0);
  EXPECT_EQ(Engine::Open(kClassifier).Classify(View(black, 6, 4)).index, 0);  // logits 0, 0, -2
}

TEST(Classify, RefusesPartsOfImagesAndOtherTasks) {
  const Engine engine = Engine::Open(kClassifier);
  const std::vector<uint8_t> pixels(24);
  ImageView part = View(pixels, 12, 4);
  part.rows = 6;
  EXPECT_EQ(CodeOf([&] { engine.Classify(part); }), ErrorCode::kInvalidArgument);
  part.first_row = 6;
  EXPECT_EQ(CodeOf([&] { engine.Classify(part); }), ErrorCode::kInvalidArgument);
  EXPECT_EQ(CodeOf([&] { engine.Normalise(View(pixels, 6, 4), nullptr); }),
            ErrorCode::kInvalidArgument);
  EXPECT_EQ(CodeOf([&] { Engine::Open(kTiny).Classify(View(pixels, 6, 4)); }),
            ErrorCode::kUnsupported);
}

TEST(Normalise, FollowsWhatTheFileSays) {
  const Engine engine = Engine::Open(kClassifier);
  const EngineInfo& info = engine.info();
  EXPECT_EQ(info.input_type, PixelType::kUint8);
  ASSERT_EQ(info.input_gain.size(), 1U);
  std::vector<uint8_t> pixels;
  for (int i = 0; i < 35; ++i) pixels.push_back(static_cast<uint8_t>(i * 7));
  std::vector<float> planes(35);
  engine.Normalise(View(pixels, 5, 7), planes.data());
  for (size_t i = 0; i < planes.size(); ++i)
    EXPECT_EQ(planes[i], static_cast<float>(pixels[i]) * info.input_gain[0] + info.input_offset[0]);
}

TEST(ResizePlane, KeepsWhatHasTheSize) {
  const std::vector<float> plane = {1, 2, 3, 4, 5, 6};
  EXPECT_EQ(ResizePlane(plane, {2, 3}, {2, 3}), plane);
}

TEST(ResizePlane, ShrinksByMeansAndEnlargesByLines) {
  // The triangle over four pixels around the middle: 1, 3, 3, 1 eighths.
  EXPECT_EQ(ResizePlane({0, 8, 16, 24}, {1, 4}, {1, 1}), std::vector<float>{12});
  EXPECT_EQ(ResizePlane({0, 8}, {1, 2}, {1, 4}), (std::vector<float>{0, 2, 6, 8}));
  EXPECT_EQ(ResizePlane({0, 8}, {2, 1}, {4, 1}), (std::vector<float>{0, 2, 6, 8}));
}

}  // namespace
}  // namespace pyengine
