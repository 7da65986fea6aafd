#include "tiling/blend.h"

#include <gtest/gtest.h>

#include "pyengine/error.h"
#include "tiling/nnunet_windows.h"
#include "tiling/window_sums.h"

namespace pyengine {
namespace {

TEST(Blend, GaussianIsSymmetricPositiveAndHighestInTheMiddle) {
  const auto w = BlendWeights({.height = 9, .width = 12}, TileMode::kGaussian);
  for (int64_t y = 0; y < 9; ++y)
    for (int64_t x = 0; x < 12; ++x) {
      const float v = w[static_cast<size_t>(y * 12 + x)];
      EXPECT_GT(v, 0);
      EXPECT_LE(v, w[4 * 12 + 5]);
      EXPECT_FLOAT_EQ(v, w[static_cast<size_t>((8 - y) * 12 + 11 - x)]);
    }
}

TEST(Blend, AveragesAndEmitsEachRowOnce) {
  std::vector<float> out(8, -1);
  int64_t rows_seen = 0;
  ThreadPool pool(2);
  WindowSums sums(1, {.height = 1, .width = 2, .depth = 4}, {.height = 1, .width = 2, .depth = 3},
                  BlendWeights({.height = 3, .width = 2}, TileMode::kConstant), pool,
                  [&](const float* v, int64_t, int64_t y, int64_t rows) {
                    EXPECT_EQ(y, rows_seen);
                    rows_seen += rows;
                    std::copy_n(v, rows * 2, out.begin() + y * 2);
                  });
  const std::vector<float> first(6, 1.0f), second(6, 3.0f);
  sums.Finish(0);
  sums.Add(first.data(), 0, 0, 0);
  sums.Finish(1);
  sums.Add(second.data(), 1, 0, 0);
  sums.Finish(4);
  EXPECT_EQ(rows_seen, 4);
  EXPECT_EQ(out, (std::vector<float>{1, 1, 2, 2, 2, 2, 3, 3}));
}

TEST(Blend, AnUncoveredPixelIsAnErrorNotADivisionByZero) {
  ThreadPool pool(1);
  WindowSums sums(1, {.height = 1, .width = 4, .depth = 2}, {.height = 1, .width = 2, .depth = 2},
                  BlendWeights({.height = 2, .width = 2}, TileMode::kConstant), pool,
                  [](auto...) {});
  const std::vector<float> values(4, 1.0f);
  sums.Add(values.data(), 0, 0, 0);
  EXPECT_THROW(sums.Finish(2), Error);
}

// Values of nnunetv2 2.8.1: compute_steps_for_sliding_window and compute_gaussian.
TEST(NnUnetWindows, LieAndWeighAsInNnUnet) {
  EXPECT_EQ(NnUnetOrigins(110, 64), (std::vector<int64_t>{0, 23, 46}));
  EXPECT_EQ(NnUnetOrigins(64, 64), std::vector<int64_t>{0});
  EXPECT_EQ(NnUnetOrigins(21, 32), std::vector<int64_t>{-5});
  EXPECT_EQ(NnUnetOrigins(65, 64), (std::vector<int64_t>{0, 1}));
  const std::vector<float> w = NnUnetWeights({.height = 32, .width = 40});
  EXPECT_EQ(w[16 * 40 + 20], 10.0f);
  EXPECT_EQ(w[0], 1.1324882507324219e-06f);
  EXPECT_EQ(w[31 * 40 + 39], 6.496906280517578e-06f);
  EXPECT_EQ(w[3 * 40 + 7], 0.00173187255859375f);
  for (float weight : w) EXPECT_GT(weight, 0.0f);
}

}  // namespace
}  // namespace pyengine
