#include "pyengine/results.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>
#include <string>
#include <vector>

#include "pyengine/engine.h"
#include "pyengine/error.h"

namespace pyengine {
namespace {

std::vector<uint8_t> Random(int64_t pixels, uint32_t seed, uint32_t labels = 3) {
  std::mt19937 random(seed);
  std::vector<uint8_t> all(static_cast<size_t>(pixels));
  for (auto& label : all) label = static_cast<uint8_t>(random() % labels);
  return all;
}

TEST(Results, RunsGiveTheLabelsBack) {
  const int64_t h = 13, w = 17, stride = 20;
  const auto labels = Random(h * stride, 1);
  const LabelView view{.data = labels.data(), .height = h, .width = w, .row_stride = stride};
  const int64_t count = LabelsToRuns(view, nullptr, 0);
  std::vector<LabelRun> runs(static_cast<size_t>(count));
  EXPECT_EQ(LabelsToRuns(view, runs.data(), count), count);
  std::vector<uint8_t> back(labels.size(), 9);
  RunsToLabels(runs.data(), count, h, w, stride, back.data());
  for (int64_t y = 0; y < h; ++y)
    for (int64_t x = 0; x < stride; ++x)
      EXPECT_EQ(back[y * stride + x], x < w ? labels[y * stride + x] : 9);
  const LabelRun beyond{.row = 0, .begin = 0, .end = 18, .label = 1};
  EXPECT_THROW(RunsToLabels(&beyond, 1, h, w, stride, back.data()), Error);
  EXPECT_EQ(back[w], 9);
}

TEST(Results, ContoursEncloseAsManyPixelsAsTheLabelHas) {
  for (uint32_t seed = 0; seed < 20; ++seed) {
    const int64_t h = 1 + seed % 7, w = 1 + seed % 11;
    const auto labels = Random(h * w, seed, 2);
    double area = 0;
    LabelsToContours({.data = labels.data(), .height = h, .width = w, .row_stride = w}, 1,
                     [&](const LabelContour& c) {
                       double own = 0;
                       for (int64_t i = 0; i < c.count; ++i) {
                         const float* a = c.points + 2 * i;
                         const float* b = c.points + 2 * ((i + 1) % c.count);
                         own += (double(a[0]) * b[1] - double(b[0]) * a[1]) / 2;
                         EXPECT_NE(a[0] == b[0], a[1] == b[1]);  // along one axis
                       }
                       EXPECT_EQ(own < 0, c.hole);
                       area += own;
                     });
    EXPECT_EQ(area, double(std::count(labels.begin(), labels.end(), 1))) << seed;
  }
}

TEST(Results, ContoursOfARingAndOfPixelsThatTouchAtACorner) {
  const auto points = [](const std::vector<uint8_t>& labels, int64_t h, int64_t w) {
    std::string text;
    LabelsToContours({.data = labels.data(), .height = h, .width = w, .row_stride = w}, 1,
                     [&](const LabelContour& c) {
                       text += c.hole ? "hole" : "outer";
                       for (int64_t i = 0; i < 2 * c.count; ++i)
                         text.append(" ").append(std::to_string(int(c.points[i] + 0.5f)));
                       text += ";";
                     });
    return text;
  };
  EXPECT_EQ(points({1, 1, 1, 1, 0, 1, 1, 1, 1}, 3, 3),
            "outer 0 0 3 0 3 3 0 3;hole 2 1 1 1 1 2 2 2;");
  EXPECT_EQ(points({1, 0, 0, 1}, 2, 2), "outer 0 0 1 0 1 1 0 1;outer 1 1 2 1 2 2 1 2;");
  EXPECT_EQ(points({0, 0}, 1, 2), "");
}

TEST(Results, BoundariesLieBetweenPixelsByTheirProbabilities) {
  // Columns: a layer between; one to the upper end; absent; a speck and the layer.
  const float p[] = {0.1f, 0.9f, 0.1f, 0.7f,   //
                     0.8f, 0.6f, 0.2f, 0.1f,   //
                     0.9f, 0.3f, 0.3f, 0.75f,  //
                     0.4f, 0.2f, 0.4f, 0.9f};
  std::vector<float> both(p, p + 16), upper(4), lower(4);
  for (int i = 0; i < 16; ++i) both.push_back(1 - p[i]);
  for (int classes : {1, 2}) {
    ScoresToBoundaries(both.data(), classes, 4, 4, classes == 1 ? 1 : 0, upper.data(),
                       lower.data());
    EXPECT_NEAR(upper[0], 4.0 / 7, 1e-6);
    EXPECT_NEAR(lower[0], 2.8, 1e-6);
    EXPECT_EQ(upper[1], -0.5f);
    EXPECT_NEAR(lower[1], 1 + 1.0 / 3, 1e-6);
    EXPECT_TRUE(std::isnan(upper[2]) && std::isnan(lower[2]));
    EXPECT_NEAR(upper[3], 1 + 0.4 / 0.65, 1e-6);
    EXPECT_EQ(lower[3], 3.5f);
  }
  EXPECT_THROW(ScoresToBoundaries(p, 2, 4, 2, 2, upper.data(), lower.data()), Error);
}

TEST(Results, BoundariesOfLabelsAndOfProbabilitiesAreAtMostHalfAPixelApart) {
  const Engine engine =
      Engine::Open(PYENGINE_TEST_DATA "/tiny.pyengine", {.threads = 1, .isa = ""});
  const int64_t h = 40, w = 60;
  std::vector<uint8_t> pixels(h * w), labels(h * w);
  for (int64_t i = 0; i < h * w; ++i) pixels[i] = i / w > 12 && i / w < 25 ? 220 : 20;
  const ImageView view{.data = pixels.data(),
                       .height = h,
                       .width = w,
                       .row_stride_bytes = w,
                       .pixel_stride_bytes = 1,
                       .channel_stride_bytes = 1};
  std::vector<float> scores(2 * h * w), upper(w), lower(w), edge_upper(w), edge_lower(w);
  engine.SegmentLabels(view, labels.data(), w);
  engine.SegmentScores(view, OutputKind::kProbabilities, scores.data());
  for (int label : {0, 1}) {
    ScoresToBoundaries(scores.data(), 2, h, w, label, upper.data(), lower.data());
    LabelsToBoundaries({.data = labels.data(), .height = h, .width = w, .row_stride = w}, label,
                       edge_upper.data(), edge_lower.data());
    for (int64_t x = 0; x < w; ++x) {
      ASSERT_EQ(std::isnan(upper[x]), std::isnan(edge_upper[x]));
      if (std::isnan(upper[x])) continue;
      EXPECT_LE(std::fabs(upper[x] - edge_upper[x]), 0.5f);
      EXPECT_LE(std::fabs(lower[x] - edge_lower[x]), 0.5f);
    }
  }
}

}  // namespace
}  // namespace pyengine
